/* Moves the time of day of a process: preload it, and name in MOVED_CLOCK a file of eight bytes,
 * the seconds to add as a native integer. Who writes the file moves the clock at once. The monotonic
 * clock is left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long *added;

__attribute__((constructor)) static void open_added(void)
{
	const char *path = getenv("MOVED_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *map = mmap(NULL, sizeof *added, PROT_READ, MAP_SHARED, file, 0);
	if (map != MAP_FAILED)
		added = map;
	close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int failed = syscall(SYS_clock_gettime, clock, now);
	if (!failed && added && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *added;
	return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &precise))
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec precise;
	clock_gettime(CLOCK_REALTIME, &precise);
	if (out)
		*out = precise.tv_sec;
	return precise.tv_sec;
}
