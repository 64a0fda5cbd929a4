/*
 * Makes the keys of a row, by which boosted trees compare it.
 *
 * The libraries compare with < or <=, floats or doubles, and treat zeros, missing values and
 * categories each in its own way. All that is in how the keys of a row are made: a key is the number
 * of thresholds of its feature that are below the value, or the place of a category, and what
 * evaluates the trees compares keys.
 */

#ifndef HOTSWAP_BOOSTING_KEYS_H
#define HOTSWAP_BOOSTING_KEYS_H

#include "trees.h"

/* How a column of keys is made of its feature. */
enum {
    NUMBER,          /* NaN is missing */
    NAN_IS_ZERO,     /* NaN counts as zero */
    ZERO_IS_MISSING, /* NaN and zero are missing, but not what becomes zero as a float */
    FIRST_CATEGORY,
    CATEGORY = FIRST_CATEGORY, /* a fraction is cut off; what is below zero is no category */
    CUT_CATEGORY,              /* a fraction is cut off first: -0.5 is category 0 */
    KNOWN_CATEGORY,            /* like CATEGORY, but an unknown one is missing */
    NAMED_CATEGORY,            /* exactly a number of the table, or unknown */
    REQUIRED_CATEGORY,         /* exactly a number of the table; other values are not accepted */
    KINDS,
};

/* Up to here LightGBM takes numbers for zero (`kZeroThreshold`). */
#define TINY ((double)1e-35f)

typedef struct {
    int32_t feature;
    int32_t kind;
    int32_t length;      /* numbers in its table */
    const double *table; /* ascending: thresholds, or categories */
} Column;

typedef struct {
    Column *columns;
    double *table; /* of all columns */
    Py_ssize_t count;
    Py_ssize_t features; /* of a row */
    bool casts;          /* the values of a row become floats, and may not be infinite then */
    bool tiny_is_zero;   /* numbers up to TINY are zero */
    bool allows_missing;
    bool has_categories;
} Columns;

/* How many keys there are: of numbers those up to `length`, and MISSING; of categories one for each, one
 * for any other value, and one for missing. */
static inline uint32_t keys_of(const Column *column)
{
    return (uint32_t)column->length + 2;
}

/* How many numbers of the ascending table are below x. The mask saves a branch that would be
 * mispredicted half of the time. */
static inline uint32_t rank_of(const Column *column, double x)
{
    const double *from = column->table;
    size_t left = (size_t)column->length;

    while (left > 1) {
        size_t half = left / 2;
        from += half & -(size_t)(from[half - 1] < x);
        left -= half;
    }
    return (uint32_t)(from - column->table) + (left == 1 && from[0] < x);
}

/* `accepted` becomes false for a value that the column does not accept. */
static inline uint32_t category_key(const Column *column, double x, bool *accepted)
{
    const uint32_t other = (uint32_t)column->length, missing = other + 1;
    const uint32_t unknown = column->kind == KNOWN_CATEGORY ? missing : other;

    if (x != x) {
        return missing;
    }
    if (column->kind < NAMED_CATEGORY) {
        if (column->kind != CUT_CATEGORY && x < 0.0) {
            return unknown;
        }
        x = trunc(x);
    }
    uint32_t place = rank_of(column, x);
    if (place < other && column->table[place] == x) {
        return place;
    }
    *accepted &= column->kind != REQUIRED_CATEGORY;
    return unknown;
}

/* The keys of one row into the lane that begins at *keys. Returns whether all can be used;
 * `missing` becomes true if there is one that is MISSING. */
static inline bool make_keys(const Columns *self, const char *row, bool are_doubles, uint32_t *keys,
                             bool *missing)
{
    bool none = false, accepted = true;

    for (Py_ssize_t place = 0; place < self->count; place++) {
        const Column *column = self->columns + place;
        double x = are_doubles ? load_double(row, column->feature)
                               : (double)load_float(row, column->feature);
        bool is_zero = x == 0.0 || (self->tiny_is_zero && fabs(x) <= TINY);
        if (self->casts) {
            x = (double)(float)x;
            accepted &= !isinf(x);
        }
        if (is_zero) {
            x = 0.0;
        }
        if (column->kind >= FIRST_CATEGORY) {
            keys[place * LANES] = category_key(column, x, &accepted);
            continue;
        }
        if (x != x && column->kind == NAN_IS_ZERO) {
            x = 0.0;
        }
        bool is_missing = x != x || (column->kind == ZERO_IS_MISSING && is_zero);
        none |= is_missing;
        keys[place * LANES] = is_missing ? MISSING : rank_of(column, x);
    }
    *missing |= none;
    return accepted;
}

/* Whether a row may be predicted, by the features that no tree uses too. */
static inline bool accepts(const Columns *self, const char *row, bool are_doubles)
{
    bool accepted = true;

    for (Py_ssize_t feature = 0; self->casts && feature < self->features; feature++) {
        float x = are_doubles ? (float)load_double(row, feature) : load_float(row, feature);
        accepted &= fabsf(x) <= FLT_MAX || (x != x && self->allows_missing);
    }
    return accepted;
}

/* Checks the descriptions of the columns, which have as many items each, and copies them and `table`.
 * The caller has set `features`, and calls `free_columns` in the end. Returns false with an exception
 * set. */
static inline bool fill_columns(Columns *self, const Py_buffer *features, const Py_buffer *kinds,
                                const Py_buffer *lengths, const Py_buffer *table)
{
    const double *from = self->table = copied(table);
    Py_ssize_t left = table->shape[0];

    self->count = features->shape[0];
    self->columns = calloc((size_t)self->count, sizeof *self->columns);
    if (from == NULL) {
        return false;
    }
    if (self->columns == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t place = 0; place < self->count; place++) {
        Column *column = self->columns + place;
        column->feature = load_int32(features->buf, place);
        column->kind = ((const unsigned char *)kinds->buf)[place];
        column->length = load_int32(lengths->buf, place);
        column->table = from;
        if (column->feature < 0 || column->feature >= self->features || column->kind >= KINDS ||
            column->length < 0 || column->length > left) {
            PyErr_Format(PyExc_ValueError, "column %zd is not valid", place);
            return false;
        }
        self->has_categories |= column->kind >= FIRST_CATEGORY;
        from += column->length;
        left -= column->length;
    }
    if (left != 0) {
        PyErr_Format(PyExc_ValueError, "%zd numbers of the table belong to no column", left);
        return false;
    }
    return true;
}

static inline void free_columns(Columns *self)
{
    free(self->columns);
    free(self->table);
}

#endif
