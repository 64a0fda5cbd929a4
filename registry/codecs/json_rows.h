/*
 * Reads the rows of a JSON body into columns, in one of the forms
 *
 *     {"instances": [{…}, …]}, {"dataframe_records": [{…}, …]}
 *     {"instances": [[…], …]}, {"inputs": [[…], …]}, {"X": [[…], …]}
 *     {"inputs": {column: […], …}}
 *
 * Between two cells, records usually have the same bytes as the record before: the comma, the key
 * and the colon. Where they are the same again, they are not read, only compared.
 */

#ifndef HOTSWAP_JSON_ROWS_H
#define HOTSWAP_JSON_ROWS_H

#include "json_skipping.h"
#include "row_body.h"

enum {
    OTHER_KEYS = 32, /* of a record, beside those of columns, that are compared */
    NO_COLUMN = -1,
};

/* What is between the cell before and a cell, and the column of the cell. */
typedef struct {
    const unsigned char *bytes;
    size_t size;
    int32_t column;
} Step;

typedef struct {
    Step *steps; /* the first: between two records */
    size_t usual; /* how many of them a record has */
    size_t most;
    size_t *rows; /* of each column the last row, counted from 1, that has a cell */
} Records;

/* Reads a cell of `column`. */
static inline bool read_cell(Body *body, const Column *column, double *into)
{
    Escapes escapes;
    const unsigned char *from, *to;

    if (is_next(body, 'n'))
        return skip_word(body, "null", 4) && keep_null(column, into);
    switch (column->kind) {
    case NUMBER:
        return read_number(body->table->powers, &body->at, body->end, true, into);
    case INTEGER:
        return read_number(body->table->powers, &body->at, body->end, true, into) &&
               is_whole(*into);
    case BOOLEAN:
        *into = is_next(body, 't');
        return skip_word(body, "true", 4) || skip_word(body, "false", 5);
    default:
        if (!skip_byte(body, '"'))
            return false;
        from = body->at;
        return skip_text(body, &escapes, &to) &&
               keep_text(body, from, to, escapes != NO_ESCAPES, into);
    }
}

/* Reads a key and the colon behind it, and the column that it names, or NO_COLUMN. */
static bool read_key(Body *body, int32_t *column)
{
    Escapes escapes;
    const unsigned char *from, *to;

    if (!skip_byte(body, '"'))
        return false;
    from = body->at;
    if (!skip_text(body, &escapes, &to))
        return false;
    *column = column_named(body->table, from, (size_t)(to - from));
    /* Escapes may write the name of a column in other ways. */
    if (*column == NO_COLUMN && (escapes != NO_ESCAPES || !are_utf8(from, to)))
        return false;
    return skip_mark(body, ':');
}

/* Skips what is the same as in the record before. */
static inline bool skip_step(Body *body, const Step *step)
{
    if ((size_t)(body->end - body->at) < step->size || !are_equal(body->at, step->bytes, step->size))
        return false;
    body->at += step->size;
    return true;
}

/* Reads the value of a key, the cell of `column` in `row`. */
static inline bool read_member(Body *body, Records *records, int32_t column, size_t row)
{
    if (column == NO_COLUMN)
        return skip_value(body);
    if (records->rows[column] > row) /* the key is there twice */
        return false;
    records->rows[column] = row + 1;
    return read_cell(body, &body->table->columns[column], cell(body, column, row));
}

/* Reads records up to the bracket behind them. */
static bool read_records(Body *body, Records *records, size_t *count)
{
    size_t row = 0, member = 0; /* the number of members that are read of the record */
    int32_t filled = 0, column;
    const int32_t width = body->table->width;

    if (!skip_mark(body, '{') || !read_key(body, &column))
        return false;
    for (;;) {
        if (!read_member(body, records, column, row))
            return false;
        filled += column != NO_COLUMN;
        member++;

        size_t next = member < records->usual ? member : 0;
        bool ends = next == 0;
        if (row > 0 && skip_step(body, &records->steps[next])) {
            column = records->steps[next].column;
        } else {
            const unsigned char *from = body->at;
            skip_space(body);
            ends = skip_byte(body, '}');
            next = ends ? 0 : member;
            skip_space(body);
            if (ends && is_next(body, ']')) {
                *count = row + 1;
                return filled == width;
            }
            if (!skip_byte(body, ','))
                return false;
            skip_space(body);
            if ((ends && !skip_mark(body, '{')) || !read_key(body, &column))
                return false;
            if (next < records->most)
                records->steps[next] = (Step){from, (size_t)(body->at - from), column};
            if (ends)
                records->usual = member < records->most ? member : records->most;
        }
        if (ends) {
            if (filled < width || ++row == body->most)
                return false;
            filled = 0;
            member = 0;
        }
    }
}

/* Reads rows by position up to the bracket behind them. */
static bool read_lists(Body *body, size_t *count)
{
    const Table *table = body->table;
    size_t row = 0;

    do {
        if (row == body->most || !skip_mark(body, '['))
            return false;
        for (int32_t column = 0; column < table->width; column++)
            if ((column > 0 && !skip_mark(body, ',')) ||
                !read_cell(body, &table->columns[column], cell(body, column, row)))
                return false;
        if (!skip_mark(body, ']'))
            return false;
        row++;
    } while (skip_mark(body, ','));
    *count = row;
    return true;
}

/* Reads the cells of a column and the bracket behind them. */
static bool read_column(Body *body, int32_t column, size_t *count)
{
    size_t row = 0;

    do {
        if (row == body->most ||
            !read_cell(body, &body->table->columns[column], cell(body, column, row)))
            return false;
        row++;
    } while (skip_mark(body, ','));
    *count = row;
    return skip_byte(body, ']');
}

/* Reads columns up to the brace behind them; `counts` has room for one number of rows each, 0. */
static bool read_columns(Body *body, size_t *counts, size_t *count)
{
    int32_t left = body->table->width, column;

    do {
        if (!read_key(body, &column))
            return false;
        if (column == NO_COLUMN) {
            if (!skip_value(body))
                return false;
            continue;
        }
        if (counts[column] > 0 || !skip_mark(body, '[') ||
            !read_column(body, column, &counts[column]))
            return false;
        left--;
    } while (skip_mark(body, ','));
    *count = counts[0];
    for (column = 1; column < body->table->width; column++)
        if (counts[column] != *count)
            return false;
    return left == 0;
}

/* Reads the whole body. Returns false where it has another form, or there is not enough memory. */
static bool read_json_rows(Body *body, size_t *count)
{
    const size_t width = (size_t)body->table->width, most = width + OTHER_KEYS;
    bool are_records = false, are_lists = false, are_columns = false, is_read = false;

    if (!skip_mark(body, '{'))
        return false;
    if (skip_word(body, "\"instances\"", 11))
        are_records = are_lists = true;
    else if (skip_word(body, "\"dataframe_records\"", 19))
        are_records = true;
    else if (skip_word(body, "\"inputs\"", 8))
        are_lists = are_columns = true;
    else if (skip_word(body, "\"X\"", 3))
        are_lists = true;
    if (!skip_mark(body, ':'))
        return false;
    if (are_columns && skip_mark(body, '{')) {
        size_t *counts = calloc(width, sizeof *counts);
        is_read = counts != NULL && read_columns(body, counts, count) && skip_mark(body, '}');
        free(counts);
    } else if (skip_mark(body, '[')) {
        if (are_records && is_next(body, '{')) {
            Records records = {malloc(most * sizeof(Step)), 0, most, calloc(width, sizeof(size_t))};
            is_read = records.steps != NULL && records.rows != NULL &&
                      read_records(body, &records, count);
            free(records.steps);
            free(records.rows);
        } else if (are_lists && is_next(body, '[')) {
            is_read = read_lists(body, count);
        }
        is_read = is_read && skip_mark(body, ']');
    }
    return is_read && skip_mark(body, '}') && body->at == body->end;
}

#endif
