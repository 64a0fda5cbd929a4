#ifndef HOTSWAP_LINGER_H
#define HOTSWAP_LINGER_H

/* Close the connection `fd`, on which the peer may still be sending a request, after its response
   has been sent. Returns false, and leaves it open, if too many others are being closed. */
_Bool linger(int fd);

#endif
