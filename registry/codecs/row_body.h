/*
 * What the readers of JSON and CSV share: the body, the columns that its cells are written to, and
 * the search for bytes in it.
 *
 * The bytes come from an attacker. A position is never beyond their end, and each function compares
 * it with the end before it reads.
 */

#ifndef HOTSWAP_ROW_BODY_H
#define HOTSWAP_ROW_BODY_H

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "decimal_numbers.h"

enum {
    TEXT_BITS = 23,
    PLACE_BITS = 40,
};

#define EVERY(byte) (0x0101010101010101 * (uint64_t)(byte))
/* A text is kept as its place in the body, whether it has escapes, and its length, in the eight bytes
 * of a cell. */
#define LONGEST_TEXT (((uint64_t)1 << TEXT_BITS) - 1)
#define HAS_ESCAPES ((uint64_t)1 << TEXT_BITS)
#define LARGEST_BODY (((uint64_t)1 << PLACE_BITS) - 1)
#define NULL_TEXT UINT64_MAX
/* From here on every double is whole. */
#define WHOLE_FROM 4503599627370496.0

typedef enum { NUMBER = 'n', INTEGER = 'i', BOOLEAN = 'b', TEXT = 't' } Kind;

typedef struct {
    char kind;
    bool is_nullable;
} Column;

/* A name of a column, as JSON may write it. */
typedef struct {
    const unsigned char *bytes;
    size_t size;
    int32_t column;
} Name;

/* The columns of a signature, and what all bodies of it need. */
typedef struct {
    const Column *columns;
    int32_t width;
    const Name *names;
    const int32_t *places; /* of the names, by their hashes; -1: none */
    size_t mask;           /* the number of places, a power of two, less one */
    const Power *powers;
} Table;

/* A body, and how far it is read. */
typedef struct {
    const Table *table;
    const unsigned char *start, *at, *end;
    double *cells; /* `most` of each column, one column behind the other */
    size_t most;
} Body;

static inline bool is_next(const Body *body, unsigned char byte)
{
    return body->at < body->end && *body->at == byte;
}

static inline bool skip_byte(Body *body, unsigned char byte)
{
    if (!is_next(body, byte))
        return false;
    body->at++;
    return true;
}

static inline bool skip_word(Body *body, const char *word, size_t size)
{
    if ((size_t)(body->end - body->at) < size || memcmp(body->at, word, size) != 0)
        return false;
    body->at += size;
    return true;
}

static inline double *cell(const Body *body, int32_t column, size_t row)
{
    return &body->cells[(size_t)column * body->most + row];
}

static inline bool is_whole(double number)
{
    return fabs(number) >= WHOLE_FROM || (double)(int64_t)number == number;
}

/* Keeps the text from `from` to `to`. Returns false where it is too long. */
static inline bool keep_text(const Body *body, const unsigned char *from, const unsigned char *to,
                             bool has_escapes, double *into)
{
    uint64_t place = (uint64_t)(from - body->start), size = (uint64_t)(to - from);
    uint64_t kept = place << (TEXT_BITS + 1) | (has_escapes ? HAS_ESCAPES : 0) | size;

    if (size > LONGEST_TEXT)
        return false;
    memcpy(into, &kept, sizeof kept);
    return true;
}

static inline bool keep_null(const Column *column, double *into)
{
    static const uint64_t null = NULL_TEXT;

    if (column->kind == TEXT)
        memcpy(into, &null, sizeof null);
    else
        *into = NAN;
    return column->is_nullable;
}

/* The highest bit of each byte that equals that of the pattern; exact up to the first of them. */
static inline uint64_t equal_bytes(uint64_t bytes, uint64_t pattern)
{
    uint64_t differences = bytes ^ pattern;
    return (differences - EVERY(1)) & ~differences & EVERY(0x80);
}

static inline bool are_equal(const unsigned char *one, const unsigned char *other, size_t size)
{
    if (size < 8)
        return memcmp(one, other, size) == 0;
    for (size_t at = 0; at + 8 < size; at += 8)
        if (load_eight(one + at) != load_eight(other + at))
            return false;
    return load_eight(one + size - 8) == load_eight(other + size - 8);
}

/* A product's bits depend on the lower ones of its factors: its upper half is mixed into the lower. */
static inline uint64_t mix(uint64_t hash, uint64_t bytes)
{
    hash = (hash ^ bytes) * 0x9E3779B97F4A7C15;
    return hash ^ hash >> 32;
}

static inline uint64_t hash_of(const unsigned char *bytes, size_t size)
{
    uint64_t hash = size, rest = 0;

    for (; size >= 8; bytes += 8, size -= 8)
        hash = mix(hash, load_eight(bytes));
    memcpy(&rest, bytes, size);
    return mix(mix(hash, rest), 0);
}

/* The column whose name has these bytes; -1: none. */
static inline int32_t column_named(const Table *table, const unsigned char *bytes, size_t size)
{
    for (size_t place = hash_of(bytes, size) & table->mask;; place = (place + 1) & table->mask) {
        if (table->places[place] < 0)
            return -1;
        const Name *name = &table->names[table->places[place]];
        if (name->size == size && are_equal(name->bytes, bytes, size))
            return name->column;
    }
}

/* Whether the bytes are UTF-8 as Python reads it, without surrogates and longer forms. */
static inline bool are_utf8(const unsigned char *at, const unsigned char *end)
{
    while (at < end) {
        if (end - at >= 8 && (load_eight(at) & EVERY(0x80)) == 0) {
            at += 8;
            continue;
        }
        unsigned first = *at++, least = 0x80, most = 0xBF;
        int more = 0;
        if (first < 0x80)
            continue;
        if (first >= 0xC2 && first <= 0xDF) {
            more = 1;
        } else if (first >= 0xE0 && first <= 0xEF) {
            more = 2;
            least = first == 0xE0 ? 0xA0 : least;
            most = first == 0xED ? 0x9F : most;
        } else if (first >= 0xF0 && first <= 0xF4) {
            more = 3;
            least = first == 0xF0 ? 0x90 : least;
            most = first == 0xF4 ? 0x8F : most;
        } else {
            return false;
        }
        for (; more > 0; more--, at++, least = 0x80, most = 0xBF)
            if (at == end || *at < least || *at > most)
                return false;
    }
    return true;
}

/* How often `byte` is there. The compiler turns the inner loops into vector instructions. */
static inline size_t count_of(const unsigned char *at, size_t size, unsigned char byte)
{
    enum { LANES = 32, AT_ONCE = 255 }; /* what a byte can count to */
    size_t found = 0;

    while (size >= LANES) {
        size_t lines = size / LANES < AT_ONCE ? size / LANES : AT_ONCE;
        unsigned char counts[LANES] = {0};
        for (size_t line = 0; line < lines; line++, at += LANES)
            for (int lane = 0; lane < LANES; lane++)
                counts[lane] += at[lane] == byte;
        for (int lane = 0; lane < LANES; lane++)
            found += counts[lane];
        size -= LANES * lines;
    }
    while (size-- > 0)
        found += *at++ == byte;
    return found;
}

#endif
