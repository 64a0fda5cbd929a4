/*
 * Reads a plain Arrow stream: one batch of numbers, booleans and texts, of a layout that Arrow has
 * verified in another stream (arrow_plain.py). What is new in this one are numbers, which are
 * checked here: how many rows and nulls there are, where the buffers are, and the offsets of texts.
 */

#ifndef HOTSWAP_ARROW_STREAM_H
#define HOTSWAP_ARROW_STREAM_H

#include "row_body.h"

/* The indices in a plan, an array of 64-bit integers: the length of all metadata, and in it the
 * positions of the numbers; the edges of the parts that are the same in all streams of the layout;
 * then three for each column of the signature. */
enum {
    PLAN_START,
    PLAN_ROWS,
    PLAN_SIZE,
    PLAN_NODES,
    PLAN_NODE_COUNT,
    PLAN_BUFFERS,
    PLAN_BUFFER_COUNT,
    PLAN_EDGES,
    EDGES = 10,
    PLAN_COLUMNS = PLAN_EDGES + EDGES,
    /* The type, as in Python's struct, '?', or 'u' and 'U' for texts; the node; the first buffer. */
    COLUMN_TYPE = 0,
    COLUMN_NODE,
    COLUMN_BUFFER,
    COLUMN_SIZE,

    PAIR = 16, /* two of the numbers: rows and nulls of a node, offset and size of a buffer */
    ALIGNMENT = 8,
};

static const unsigned char END_OF_STREAM[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};

/* A stream; `model` begins with the metadata of the one that Arrow has verified. */
typedef struct {
    const unsigned char *start, *model;
    size_t size;
    const int64_t *plan;
    int64_t rows;
} Stream;

typedef struct {
    const unsigned char *start;
    int64_t size;
} Buffer;

static inline int64_t long_at(const unsigned char *place)
{
    int64_t number;

    memcpy(&number, place, sizeof number);
    return number;
}

/* Whether `count` items of `size` bytes at `place` are in the metadata. */
static bool is_in_metadata(const int64_t *plan, int64_t place, int64_t count, int64_t size)
{
    return place >= 0 && count > 0 && place <= plan[PLAN_START] &&
           count <= (plan[PLAN_START] - place) / size;
}

static int64_t buffers_of(int64_t type)
{
    return type == 'u' || type == 'U' ? 3 : 2;
}

/* Whether a plan has `width` columns, and nothing in it is beyond the metadata or the model. */
static bool is_plan(const int64_t *plan, size_t length, size_t width, size_t model)
{
    if (length != PLAN_COLUMNS + width * COLUMN_SIZE || plan[PLAN_START] < 0 ||
        (size_t)plan[PLAN_START] > model || plan[PLAN_EDGES] != 0 ||
        plan[PLAN_EDGES + EDGES - 1] != plan[PLAN_START] ||
        !is_in_metadata(plan, plan[PLAN_ROWS], 1, sizeof(int64_t)) ||
        !is_in_metadata(plan, plan[PLAN_SIZE], 1, sizeof(int64_t)) ||
        !is_in_metadata(plan, plan[PLAN_NODES], plan[PLAN_NODE_COUNT], PAIR) ||
        !is_in_metadata(plan, plan[PLAN_BUFFERS], plan[PLAN_BUFFER_COUNT], PAIR))
        return false;
    for (int edge = 1; edge < EDGES; edge++)
        if (plan[PLAN_EDGES + edge] < plan[PLAN_EDGES + edge - 1])
            return false;
    for (const int64_t *column = plan + PLAN_COLUMNS; column < plan + length; column += COLUMN_SIZE) {
        const int64_t node = column[COLUMN_NODE], buffer = column[COLUMN_BUFFER];
        if (memchr("dfbhiqBHIQ?uU", (int)column[COLUMN_TYPE], 13) == NULL || node < 0 ||
            node >= plan[PLAN_NODE_COUNT] || buffer < 0 ||
            buffer > plan[PLAN_BUFFER_COUNT] - buffers_of(column[COLUMN_TYPE]))
            return false;
    }
    return true;
}

/* Whether the stream has the layout, and its numbers are those of a sound batch: its buffers are
 * one behind the other, in the stream. Notes the rows. */
static bool has_layout(Stream *stream)
{
    const int64_t *plan = stream->plan, *edges = plan + PLAN_EDGES;

    if (stream->size < (size_t)plan[PLAN_START])
        return false;
    for (int edge = 0; edge < EDGES; edge += 2)
        if (memcmp(stream->start + edges[edge], stream->model + edges[edge],
                   (size_t)(edges[edge + 1] - edges[edge])) != 0)
            return false;
    const int64_t room = (int64_t)stream->size - plan[PLAN_START],
                  size = long_at(stream->start + plan[PLAN_SIZE]);
    if (size < 0 || size > room ||
        (size < room && (room - size != sizeof END_OF_STREAM ||
                         memcmp(stream->start + stream->size - sizeof END_OF_STREAM, END_OF_STREAM,
                                sizeof END_OF_STREAM) != 0)))
        return false;
    stream->rows = long_at(stream->start + plan[PLAN_ROWS]);
    if (stream->rows < 1 || stream->rows > (int64_t)LARGEST_BODY)
        return false;
    const unsigned char *pair = stream->start + plan[PLAN_NODES];
    for (int64_t node = 0; node < plan[PLAN_NODE_COUNT]; node++, pair += PAIR)
        if (long_at(pair) != stream->rows || long_at(pair + 8) < 0 ||
            long_at(pair + 8) > stream->rows)
            return false;
    int64_t behind = 0;
    pair = stream->start + plan[PLAN_BUFFERS];
    for (int64_t buffer = 0; buffer < plan[PLAN_BUFFER_COUNT]; buffer++, pair += PAIR) {
        const int64_t offset = long_at(pair), length = long_at(pair + 8);
        if (offset < behind || offset > size || offset % ALIGNMENT != 0 || length < 0 ||
            length > size - offset)
            return false;
        behind = offset + length;
    }
    return true;
}

static Buffer buffer_of(const Stream *stream, int64_t number)
{
    const unsigned char *pair = stream->start + stream->plan[PLAN_BUFFERS] + number * PAIR;

    return (Buffer){stream->start + stream->plan[PLAN_START] + long_at(pair), long_at(pair + 8)};
}

static inline bool is_set(const unsigned char *bits, int64_t row)
{
    return bits[row / 8] >> (row % 8) & 1;
}

#define TAKE_AS(type)                                                                             \
    do {                                                                                          \
        if (values.size / (int64_t)sizeof(type) < rows)                                           \
            return false;                                                                         \
        for (int64_t row = 0; row < rows; row++) {                                                \
            type value;                                                                           \
            memcpy(&value, values.start + row * (int64_t)sizeof value, sizeof value);             \
            cells[row] = (double)value;                                                           \
        }                                                                                         \
        return true;                                                                              \
    } while (0)

/* Converts numbers or booleans. Returns false where the buffer is too short. */
static bool take_numbers(Buffer values, int64_t type, int64_t rows, double *cells)
{
    switch (type) {
    case 'd':
        if (values.size / (int64_t)sizeof(double) < rows)
            return false;
        memcpy(cells, values.start, (size_t)rows * sizeof(double));
        return true;
    case 'f':
        TAKE_AS(float);
    case 'b':
        TAKE_AS(int8_t);
    case 'h':
        TAKE_AS(int16_t);
    case 'i':
        TAKE_AS(int32_t);
    case 'q':
        TAKE_AS(int64_t);
    case 'B':
        TAKE_AS(uint8_t);
    case 'H':
        TAKE_AS(uint16_t);
    case 'I':
        TAKE_AS(uint32_t);
    case 'Q':
        TAKE_AS(uint64_t);
    default:
        if (values.size < (rows + 7) / 8)
            return false;
        for (int64_t row = 0; row < rows; row++)
            cells[row] = is_set(values.start, row);
        return true;
    }
}

#undef TAKE_AS

/* Keeps the places of texts. Returns false where one is too long, or not in its buffer. */
static bool take_texts(const Stream *stream, Buffer offsets, Buffer characters, bool is_large,
                       double *cells)
{
    const int64_t size = is_large ? 8 : 4;
    int64_t before = 0;

    if (offsets.size / size <= stream->rows)
        return false;
    for (int64_t row = 0; row <= stream->rows; row++) {
        int32_t small;
        int64_t end;

        memcpy(&small, offsets.start + row * size, sizeof small);
        end = is_large ? long_at(offsets.start + row * size) : small;
        if (end < before || end > characters.size)
            return false;
        if (row > 0) {
            const uint64_t length = (uint64_t)(end - before),
                           place = (uint64_t)(characters.start - stream->start + before),
                           kept = place << (TEXT_BITS + 1) | length;
            if (length > LONGEST_TEXT)
                return false;
            memcpy(&cells[row - 1], &kept, sizeof kept);
        }
        before = end;
    }
    return true;
}

/* Puts null where the bits say so. Returns false unless that is in `nulls` rows. */
static bool take_nulls(Buffer validity, const Column *column, int64_t nulls, int64_t rows,
                       double *cells)
{
    int64_t found = 0;

    if (nulls == 0)
        return true;
    if (!column->is_nullable || validity.size < (rows + 7) / 8)
        return false;
    for (int64_t row = 0; row < rows; row++)
        if (!is_set(validity.start, row)) {
            keep_null(column, &cells[row]);
            found++;
        }
    return found == nulls;
}

/* Whether the numbers of a column fit it; NaN is null. */
static bool are_accepted(const Column *column, int64_t rows, const double *cells)
{
    bool are_finite = true;

    for (int64_t row = 0; row < rows; row++)
        are_finite &= fabs(cells[row]) <= DBL_MAX;
    if (are_finite && column->kind != INTEGER)
        return true;
    for (int64_t row = 0; row < rows; row++)
        if (isnan(cells[row]) ? !column->is_nullable
                              : isinf(cells[row]) ||
                                    (column->kind == INTEGER && !is_whole(cells[row])))
            return false;
    return true;
}

/* Reads the columns of `table` to `cells`, one behind the other. Returns false where the stream is
 * not valid or a cell does not fit its column. */
static bool read_stream(const Stream *stream, const Table *table, double *cells)
{
    const int64_t rows = stream->rows, *from = stream->plan + PLAN_COLUMNS;

    for (int32_t index = 0; index < table->width; index++, from += COLUMN_SIZE, cells += rows) {
        const Column *column = &table->columns[index];
        const int64_t type = from[COLUMN_TYPE], first = from[COLUMN_BUFFER],
                      node = stream->plan[PLAN_NODES] + from[COLUMN_NODE] * PAIR,
                      nulls = long_at(stream->start + node + 8);
        const Buffer validity = buffer_of(stream, first), values = buffer_of(stream, first + 1);
        const bool is_text = buffers_of(type) == 3;

        if (is_text != (column->kind == TEXT) ||
            !(is_text ? take_texts(stream, values, buffer_of(stream, first + 2), type == 'U', cells)
                      : take_numbers(values, type, rows, cells)) ||
            !take_nulls(validity, column, nulls, rows, cells) ||
            (!is_text && !are_accepted(column, rows, cells)))
            return false;
    }
    return true;
}

#endif
