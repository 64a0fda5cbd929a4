/*
 * Reads the rows of a CSV body into columns, as Python's csv module in its strict mode reads them.
 * Not accepted, since they are rare: cells in quotes that have quotes or line ends, quotes within
 * other cells, and lines that end with a carriage return alone.
 */

#ifndef HOTSWAP_CSV_ROWS_H
#define HOTSWAP_CSV_ROWS_H

#include "row_body.h"

/* The csv module refuses longer cells. */
#define LONGEST_CELL 131072

/* What a cell ends with, or the end of the body. */
static inline bool is_at_end_of_cell(const Body *body)
{
    return body->at == body->end || *body->at == ',' || *body->at == '\n' || *body->at == '\r';
}

/* Skips to the end of a cell, or to a quote. */
static inline void skip_cell(Body *body)
{
    while (body->end - body->at >= 8) {
        uint64_t bytes = load_eight(body->at);
        uint64_t found = equal_bytes(bytes, EVERY(',')) | equal_bytes(bytes, EVERY('\n')) |
                         equal_bytes(bytes, EVERY('\r')) | equal_bytes(bytes, EVERY('"'));
        if (found != 0) {
            body->at += __builtin_ctzll(found) / 8;
            return;
        }
        body->at += 8;
    }
    while (!is_at_end_of_cell(body) && *body->at != '"')
        body->at++;
}

/* Skips a cell in quotes behind the first one, and sets `to` to the last one. */
static inline bool skip_quoted(Body *body, const unsigned char **to)
{
    const unsigned char *at = body->at;

    while (at < body->end && *at != '"' && *at != '\n' && *at != '\r')
        at++;
    *to = body->at = at;
    return skip_byte(body, '"') && is_at_end_of_cell(body);
}

/* Skips the content of a cell, and sets `to` to its end. */
static inline bool skip_content(Body *body, bool is_quoted, const unsigned char **to)
{
    if (is_quoted)
        return skip_quoted(body, to);
    skip_cell(body);
    *to = body->at;
    return true;
}

static inline bool read_boolean(const unsigned char *from, size_t size, double *into)
{
    static const char *words[] = {"0", "1", "false", "true", "False", "True", "FALSE", "TRUE"};

    for (size_t word = 0; word < sizeof words / sizeof *words; word++) {
        if (strlen(words[word]) == size && memcmp(words[word], from, size) == 0) {
            *into = word % 2;
            return true;
        }
    }
    return false;
}

/* Reads a number with spaces around it, up to the end of the cell. */
static inline bool read_spaced_number(const Body *body, const unsigned char **at,
                                      const unsigned char *end, double *into)
{
    while (*at < end && **at == ' ')
        ++*at;
    if (!read_number(body->table->powers, at, end, false, into))
        return false;
    while (*at < end && **at == ' ')
        ++*at;
    return true;
}

static inline bool read_csv_cell(Body *body, const Column *column, double *into)
{
    const bool is_number = column->kind == NUMBER || column->kind == INTEGER;
    const bool is_quoted = skip_byte(body, '"');
    const unsigned char *from = body->at, *to;

    if (is_number && !is_quoted && !is_at_end_of_cell(body)) {
        if (!read_spaced_number(body, &body->at, body->end, into))
            return false;
        to = body->at;
    } else {
        if (!skip_content(body, is_quoted, &to))
            return false;
        if (from == to) {
            if (!keep_null(column, into))
                return false;
        } else if (is_number) {
            if (!read_spaced_number(body, &from, to, into) || from != to)
                return false;
        } else if (!(column->kind == BOOLEAN ? read_boolean(from, (size_t)(to - from), into)
                                             : keep_text(body, from, to, false, into))) {
            return false;
        }
    }
    return to - from <= LONGEST_CELL && is_at_end_of_cell(body) &&
           (column->kind != INTEGER || isnan(*into) || is_whole(*into));
}

/* Skips a cell of a column that the model does not have. */
static inline bool skip_other_cell(Body *body)
{
    const bool is_quoted = skip_byte(body, '"');
    const unsigned char *from = body->at, *to;

    if (!skip_content(body, is_quoted, &to))
        return false;
    return to - from <= LONGEST_CELL && is_at_end_of_cell(body) && are_utf8(from, to);
}

/* Skips a line end; also where the body ends. */
static inline bool skip_line_end(Body *body)
{
    if (body->at == body->end)
        return true;
    skip_byte(body, '\r');
    return skip_byte(body, '\n');
}

/* Reads the rows behind the header, whose cells are in the columns `header`, -1 for none. */
static bool read_csv_rows(Body *body, const int32_t *header, size_t size, size_t *count)
{
    size_t row = 0;

    for (;;) {
        while (is_next(body, '\n') || is_next(body, '\r'))
            if (!skip_line_end(body))
                return false;
        if (body->at == body->end)
            break;
        if (row == body->most)
            return false;
        for (size_t index = 0; index < size; index++) {
            const int32_t column = header[index];
            if (index > 0 && !skip_byte(body, ','))
                return false;
            if (!(column < 0 ? skip_other_cell(body)
                             : read_csv_cell(body, &body->table->columns[column],
                                             cell(body, column, row))))
                return false;
        }
        if (!skip_line_end(body))
            return false;
        row++;
    }
    *count = row;
    return true;
}

#endif
