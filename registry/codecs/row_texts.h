/*
 * Makes the strings of a column of texts from what the pass over the body kept of them.
 */

#ifndef HOTSWAP_ROW_TEXTS_H
#define HOTSWAP_ROW_TEXTS_H

#include "../kernel.h"

#include "row_body.h"

enum {
    KNOWN = 2048,
    PROBED = 8,         /* places for a text, and the fewest in all */
    FIRST_TEXTS = 1024, /* of a column, which share a string with the texts behind them */
    LONGEST_KNOWN = 128, /* longer texts are rarely repeated */
    TEXTS_AT_ONCE = 4096,
    TEXT_BYTES_AT_ONCE = 65536,
};

/* What all texts of a call need. */
typedef struct {
    const unsigned char *start;
    size_t size;
    PyObject *null, *unescape;
} Texts;

/* A text that was made before, and its bytes. Columns repeat texts, which then share a string. */
typedef struct {
    const unsigned char *bytes;
    uint64_t kept; /* what the pass wrote: the escapes and the length are compared, not the place */
    PyObject *text; /* borrowed from the array of results; NULL: none */
} Known;

typedef struct {
    Known *places;
    size_t mask; /* the number of places, a power of two, less one */
} KnownTexts;

/* The bytes of a text that the pass kept; NULL with an exception set where they would not be in the
 * body. */
static const unsigned char *bytes_of(const Texts *texts, uint64_t kept, size_t *size)
{
    const size_t place = (size_t)(kept >> (TEXT_BITS + 1));

    *size = (size_t)(kept & LONGEST_TEXT);
    if (place <= texts->size && *size <= texts->size - place)
        return texts->start + place;
    PyErr_SetString(PyExc_ValueError, "a text beyond the body");
    return NULL;
}

/* The place of a text that is known, or one for it: a free one or, if there is none near the first
 * one, that one. */
static Known *find_known(const KnownTexts *known, uint64_t kept, const unsigned char *bytes, size_t size)
{
    const uint64_t hash = hash_of(bytes, size), same = HAS_ESCAPES | LONGEST_TEXT;

    for (uint64_t probe = 0; probe < PROBED; probe++) {
        Known *place = &known->places[(hash + probe) & known->mask];
        if (place->text == NULL ||
            (((place->kept ^ kept) & same) == 0 && are_equal(place->bytes, bytes, size)))
            return place;
    }
    known->places[hash & known->mask].text = NULL;
    return &known->places[hash & known->mask];
}

static PyObject *make_text(const Texts *texts, uint64_t kept, const unsigned char *bytes, size_t size)
{
    if (!(kept & HAS_ESCAPES))
        return PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)size, NULL);
    /* With the quotes around it, which the pass has seen. */
    if (bytes == texts->start || size + 1 > texts->size - (size_t)(bytes - texts->start)) {
        PyErr_SetString(PyExc_ValueError, "a text beyond the body");
        return NULL;
    }
    return PyObject_CallFunction(texts->unescape, "y#", (const char *)bytes - 1,
                                 (Py_ssize_t)size + 2);
}

/* A new reference to the text of `size` bytes. */
static PyObject *text_of(const Texts *texts, const KnownTexts *known, uint64_t kept,
                         const unsigned char *bytes, size_t size)
{
    if (size > LONGEST_KNOWN)
        return make_text(texts, kept, bytes, size);
    Known *place = find_known(known, kept, bytes, size);
    if (place->text != NULL)
        return Py_NewRef(place->text);
    PyObject *text = make_text(texts, kept, bytes, size);
    if (text != NULL)
        *place = (Known){bytes, kept, text};
    return text;
}

/* Makes texts from `first` on, in about 0.1 ms. They share strings with the first texts of the
 * column. Returns the row behind them; -1 with an exception set. */
static Py_ssize_t make_texts(const Texts *texts, const uint64_t *kept, PyObject **results,
                             Py_ssize_t first, Py_ssize_t count)
{
    Known places[KNOWN];
    KnownTexts known = {places, PROBED - 1};
    Py_ssize_t row, last = count - first < TEXTS_AT_ONCE ? count : first + TEXTS_AT_ONCE;
    size_t size, left = TEXT_BYTES_AT_ONCE;
    const unsigned char *bytes;

    while (known.mask + 1 < KNOWN && known.mask < 2 * (size_t)count)
        known.mask = known.mask * 2 + 1;
    memset(places, 0, (known.mask + 1) * sizeof(Known));
    for (row = 0; row < first && row < FIRST_TEXTS; row++) {
        if (kept[row] == NULL_TEXT || (kept[row] & LONGEST_TEXT) > LONGEST_KNOWN)
            continue;
        bytes = bytes_of(texts, kept[row], &size);
        if (bytes == NULL)
            return -1;
        *find_known(&known, kept[row], bytes, size) = (Known){bytes, kept[row], results[row]};
    }
    for (row = first; row < last && left > 0; row++) {
        PyObject *text, *before = results[row];
        if (kept[row] == NULL_TEXT) {
            text = Py_NewRef(texts->null);
        } else {
            bytes = bytes_of(texts, kept[row], &size);
            text = bytes == NULL ? NULL : text_of(texts, &known, kept[row], bytes, size);
            left -= size < left ? size : left;
        }
        if (text == NULL)
            return -1;
        results[row] = text;
        Py_XDECREF(before);
    }
    return row;
}

#endif
