/*
 * Finds where the parts of a JSON body end, and checks what is skipped as a decoder would.
 */

#ifndef HOTSWAP_JSON_SKIPPING_H
#define HOTSWAP_JSON_SKIPPING_H

#include "row_body.h"

enum {
    DEEPEST = 64, /* levels of a value that is skipped: a bit each */
};

static inline void skip_space(Body *body)
{
    while (body->at < body->end && (*body->at == ' ' || *body->at == '\n' || *body->at == '\t' ||
                                    *body->at == '\r'))
        body->at++;
}

/* Skips a comma, a colon or a bracket, with the white space around it. */
static inline bool skip_mark(Body *body, unsigned char mark)
{
    skip_space(body);
    if (!skip_byte(body, mark))
        return false;
    skip_space(body);
    return true;
}

/* What is in a text; each includes the ones before. */
typedef enum { NO_ESCAPES, ESCAPES, SURROGATES } Escapes;

/* Skips an escape behind its backslash. */
static inline bool skip_escape(Body *body, Escapes *escapes)
{
    if (body->at == body->end)
        return false;
    unsigned char kind = *body->at++;
    if (*escapes == NO_ESCAPES)
        *escapes = ESCAPES;
    if (kind != 'u')
        return kind != '\0' && strchr("\"\\/bfnrt", kind) != NULL;
    if (body->end - body->at < 4)
        return false;
    const unsigned char *digits = body->at;
    for (; body->at < digits + 4; body->at++)
        if (*body->at == '\0' || strchr("0123456789abcdefABCDEF", *body->at) == NULL)
            return false;
    if ((digits[0] | 0x20) == 'd' && digits[1] >= '8')
        *escapes = SURROGATES;
    return true;
}

/* Skips a text behind its first quote, and sets `to` to its last one. */
static inline bool skip_text(Body *body, Escapes *escapes, const unsigned char **to)
{
    *escapes = NO_ESCAPES;
    for (;;) {
        while (body->end - body->at >= 8) {
            uint64_t bytes = load_eight(body->at);
            uint64_t found = equal_bytes(bytes, EVERY('"')) | equal_bytes(bytes, EVERY('\\')) |
                             ((bytes - EVERY(0x20)) & ~bytes & EVERY(0x80));
            if (found != 0) {
                body->at += __builtin_ctzll(found) / 8;
                break;
            }
            body->at += 8;
        }
        while (body->at < body->end && *body->at != '"' && *body->at != '\\' && *body->at >= 0x20)
            body->at++;
        *to = body->at;
        if (skip_byte(body, '"'))
            return true;
        if (!skip_byte(body, '\\') || !skip_escape(body, escapes))
            return false;
    }
}

/* As `skip_text`, and checks the text. Surrogates, which would have to be pairs, are not accepted. */
static bool skip_string(Body *body)
{
    Escapes escapes;
    const unsigned char *from = body->at, *to;
    return skip_text(body, &escapes, &to) && escapes != SURROGATES && are_utf8(from, to);
}

static bool skip_digits(Body *body)
{
    const unsigned char *from = body->at;
    while (body->at < body->end && *body->at >= '0' && *body->at <= '9')
        body->at++;
    return body->at > from;
}

/* Skips a number of any size. */
static bool skip_number(Body *body)
{
    skip_byte(body, '-');
    if (!skip_byte(body, '0') && !skip_digits(body))
        return false;
    if (skip_byte(body, '.') && !skip_digits(body))
        return false;
    if (!skip_byte(body, 'e') && !skip_byte(body, 'E'))
        return true;
    if (!skip_byte(body, '+'))
        skip_byte(body, '-');
    return skip_digits(body);
}

static bool skip_scalar(Body *body)
{
    if (skip_byte(body, '"'))
        return skip_string(body);
    return skip_word(body, "null", 4) || skip_word(body, "true", 4) ||
           skip_word(body, "false", 5) || skip_number(body);
}

static bool skip_key(Body *body)
{
    return skip_byte(body, '"') && skip_string(body) && skip_mark(body, ':');
}

/* Skips any value. */
static bool skip_value(Body *body)
{
    uint64_t objects = 0; /* whether it is an object, of each level; the lowest bit is the innermost */
    int depth = 0;

    do {
        bool is_object = is_next(body, '{');
        if (is_object || is_next(body, '[')) {
            if (depth == DEEPEST)
                return false;
            depth++;
            objects = objects << 1 | is_object;
            body->at++;
            skip_space(body);
            if (!is_next(body, is_object ? '}' : ']')) {
                if (is_object && !skip_key(body))
                    return false;
                continue;
            }
        } else if (!skip_scalar(body)) {
            return false;
        }
        for (; depth > 0; depth--, objects >>= 1) {
            skip_space(body);
            if (skip_byte(body, ',')) {
                skip_space(body);
                if ((objects & 1) && !skip_key(body))
                    return false;
                break;
            }
            if (!skip_byte(body, (objects & 1) ? '}' : ']'))
                return false;
        }
    } while (depth > 0);
    return true;
}

#endif
