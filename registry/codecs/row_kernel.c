/*
 * registry.codecs.row_kernel: decodes JSON and CSV bodies of many rows into columns. compiled_rows.py
 * says what it accepts; the decoders in Python do the rest.
 *
 * A body is read in one pass that needs no Python object, and so lets other threads run. Numbers are
 * written to their columns. Of a text the pass writes its place in the body, from which `texts`
 * makes the string afterwards.
 *
 * The bytes come from an attacker: see row_body.h. Nothing that is allocated here depends on them.
 */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "csv_rows.h"
#include "json_rows.h"
#include "row_body.h"

enum {
    /* What is read in about 30 microseconds. To get the interpreter's lock back from busy threads
     * can take longer than a smaller body. */
    BYTES_WORTH_A_SWITCH = 32768,
    KNOWN = 2048,
    PROBED = 8,         /* places for a text, of the `KNOWN` */
    FIRST_TEXTS = 1024, /* of a column, which share a string with the texts behind them */
};

typedef struct {
    PyObject_HEAD
    PyObject *powers; /* the bytes of the table's */
    Table table;
    Column *columns;
    Name *names;
    int32_t *places;
    unsigned char *bytes; /* of the names */
} Columns;

/* ---- The columns of a signature ------------------------------------------------------------ */

static void free_columns(PyObject *object)
{
    Columns *self = (Columns *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free(self->columns);
    free(self->names);
    free(self->places);
    free(self->bytes);
    Py_XDECREF(self->powers);
    free_memory(object);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

/* Copies the names, each a tuple of bytes and the index of its column, and finds places for them. */
static bool take_names(Columns *self, PyObject *names)
{
    const Py_ssize_t count = PyTuple_Size(names);
    size_t places = 2, room = 1;
    const char *bytes;
    Py_ssize_t size;
    int column;

    for (Py_ssize_t index = 0; index < count; index++) {
        if (!PyArg_ParseTuple(PyTuple_GetItem(names, index), "y#i", &bytes, &size, &column))
            return false;
        if (column < 0 || column >= self->table.width) {
            PyErr_SetString(PyExc_ValueError, "a name of no column");
            return false;
        }
        room += (size_t)size;
    }
    while (places < 2 * (size_t)count)
        places *= 2;
    self->names = malloc(((size_t)count + 1) * sizeof(Name));
    self->places = malloc(places * sizeof(int32_t));
    self->bytes = malloc(room);
    if (self->names == NULL || self->places == NULL || self->bytes == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memset(self->places, -1, places * sizeof(int32_t));
    unsigned char *copy = self->bytes;
    for (int32_t index = 0; index < (int32_t)count; index++) {
        if (!PyArg_ParseTuple(PyTuple_GetItem(names, index), "y#i", &bytes, &size, &column))
            return false;
        memcpy(copy, bytes, (size_t)size);
        self->names[index] = (Name){copy, (size_t)size, column};
        size_t place = hash_of(copy, (size_t)size) & (places - 1);
        while (self->places[place] >= 0)
            place = (place + 1) & (places - 1);
        self->places[place] = index;
        copy += size;
    }
    self->table.names = self->names;
    self->table.places = self->places;
    self->table.mask = places - 1;
    return true;
}

static bool take_columns(Columns *self, const char *kinds, const char *nullable, Py_ssize_t width)
{
    self->columns = malloc((size_t)width * sizeof(Column));
    if (self->columns == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t index = 0; index < width; index++) {
        if (strchr("nibt", kinds[index]) == NULL || kinds[index] == '\0') {
            PyErr_SetString(PyExc_ValueError, "a column of an unknown kind");
            return false;
        }
        self->columns[index] = (Column){kinds[index], nullable[index] != 0};
    }
    self->table.columns = self->columns;
    self->table.width = (int32_t)width;
    return true;
}

static PyObject *new_columns(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *names, *powers;
    const char *kinds, *nullable;
    Py_ssize_t width, flags;

    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "O!y#y#S", &PyTuple_Type, &names, &kinds, &width, &nullable,
                          &flags, &powers))
        return NULL;
    if (width < 1 || width > INT32_MAX / 4 || flags != width ||
        PyTuple_Size(names) > INT32_MAX / 4 ||
        PyBytes_Size(powers) != (Py_ssize_t)(POWERS * sizeof(Power))) {
        PyErr_SetString(PyExc_ValueError, "a kind and a flag for each column, and all powers");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *object = allocate(type, 0); /* zeroed */
    if (object == NULL)
        return NULL;
    Columns *self = (Columns *)object;
    self->powers = Py_NewRef(powers);
    self->table.powers = (const Power *)PyBytes_AsString(powers);
    if (!take_columns(self, kinds, nullable, width) || !take_names(self, names))
        Py_CLEAR(object);
    return object;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* A contiguous, writable buffer of items of `format`. Returns false with an exception set. */
static bool get_items(PyObject *object, char format, int dimensions, size_t size, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE) < 0)
        return false;
    if (view->ndim == dimensions && view->format != NULL && view->format[0] == format &&
        view->format[1] == '\0' && view->itemsize == (Py_ssize_t)size &&
        (uintptr_t)view->buf % size == 0)
        return true;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "an array of another type or shape");
    return false;
}

/* The body and the columns that it is read into. The caller releases `view`. */
static bool get_body(Columns *self, PyObject *bytes, PyObject *cells, Body *body, Py_buffer *view)
{
    if (!get_items(cells, 'd', 2, sizeof(double), view))
        return false;
    const unsigned char *start = (const unsigned char *)PyBytes_AsString(bytes);
    const size_t size = (size_t)PyBytes_Size(bytes);
    if (view->shape[0] != self->table.width || size > LARGEST_BODY) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_ValueError, "other columns, or too large a body");
        return false;
    }
    *body = (Body){&self->table, start, start, start + size, view->buf, (size_t)view->shape[1]};
    return true;
}

static PyThreadState *release_lock(const Body *body)
{
    return body->end - body->start > BYTES_WORTH_A_SWITCH ? PyEval_SaveThread() : NULL;
}

/* The number of rows, or None. */
static PyObject *answer(PyThreadState *released, Py_buffer *view, bool is_read, size_t count)
{
    if (released != NULL)
        PyEval_RestoreThread(released);
    PyBuffer_Release(view);
    return is_read ? PyLong_FromSize_t(count) : Py_NewRef(Py_None);
}

static PyObject *read_json(PyObject *object, PyObject *arguments)
{
    PyObject *bytes, *cells;
    Body body;
    Py_buffer view;
    size_t count = 0;

    if (!PyArg_ParseTuple(arguments, "SO", &bytes, &cells) ||
        !get_body((Columns *)object, bytes, cells, &body, &view))
        return NULL;
    PyThreadState *released = release_lock(&body);
    bool is_read = read_json_rows(&body, &count);
    return answer(released, &view, is_read, count);
}

static PyObject *read_csv(PyObject *object, PyObject *arguments)
{
    PyObject *bytes, *cells;
    Py_buffer header, view;
    Py_ssize_t at;
    Body body;
    size_t count = 0;

    if (!PyArg_ParseTuple(arguments, "Sny*O", &bytes, &at, &header, &cells))
        return NULL;
    const size_t size = (size_t)header.len / sizeof(int32_t);
    const int32_t *columns = header.buf;
    bool is_valid = at >= 0 && at <= PyBytes_Size(bytes) && size > 0 &&
                    (uintptr_t)columns % sizeof *columns == 0;
    for (size_t index = 0; is_valid && index < size; index++)
        is_valid = columns[index] < ((Columns *)object)->table.width;
    if (!is_valid)
        PyErr_SetString(PyExc_ValueError, "a header of other columns");
    if (!is_valid || !get_body((Columns *)object, bytes, cells, &body, &view)) {
        PyBuffer_Release(&header);
        return NULL;
    }
    body.at += at;
    PyThreadState *released = release_lock(&body);
    bool is_read = read_csv_rows(&body, columns, size, &count);
    PyObject *result = answer(released, &view, is_read, count);
    PyBuffer_Release(&header);
    return result;
}

/* ---- Texts --------------------------------------------------------------------------------- */

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

/* The bytes of a text that the pass kept; NULL where they would not be in the body. */
static const unsigned char *bytes_of(const Texts *texts, uint64_t kept, size_t *size)
{
    const size_t place = (size_t)(kept >> (TEXT_BITS + 1));
    *size = (size_t)(kept & LONGEST_TEXT);
    return place <= texts->size && *size <= texts->size - place ? texts->start + place : NULL;
}

/* The place of a text that is known, or one for it: a free one or, if there is none near the first
 * one, that one. */
static Known *find_known(Known *known, uint64_t kept, const unsigned char *bytes, size_t size)
{
    const uint64_t hash = hash_of(bytes, size), same = HAS_ESCAPES | LONGEST_TEXT;

    for (uint64_t probe = 0; probe < PROBED; probe++) {
        Known *place = &known[(hash + probe) % KNOWN];
        if (place->text == NULL ||
            (((place->kept ^ kept) & same) == 0 && are_equal(place->bytes, bytes, size)))
            return place;
    }
    known[hash % KNOWN].text = NULL;
    return &known[hash % KNOWN];
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

/* A new reference to the text. */
static PyObject *text_of(const Texts *texts, Known *known, uint64_t kept)
{
    size_t size;

    if (kept == NULL_TEXT)
        return Py_NewRef(texts->null);
    const unsigned char *bytes = bytes_of(texts, kept, &size);
    if (bytes == NULL) {
        PyErr_SetString(PyExc_ValueError, "a text beyond the body");
        return NULL;
    }
    Known *place = find_known(known, kept, bytes, size);
    if (place->text != NULL)
        return Py_NewRef(place->text);
    PyObject *text = make_text(texts, kept, bytes, size);
    if (text != NULL)
        *place = (Known){bytes, kept, text};
    return text;
}

/* Makes the texts from `first` to `last`, which share strings with the first texts of the column. */
static bool make_texts(const Texts *texts, const uint64_t *kept, PyObject **results, size_t first,
                       size_t last)
{
    Known known[KNOWN];
    size_t size;

    memset(known, 0, sizeof known);
    for (size_t row = 0; row < first && row < FIRST_TEXTS; row++) {
        const unsigned char *bytes = bytes_of(texts, kept[row], &size);
        if (kept[row] != NULL_TEXT && bytes != NULL)
            *find_known(known, kept[row], bytes, size) = (Known){bytes, kept[row], results[row]};
    }
    for (size_t row = first; row < last; row++) {
        PyObject *text = text_of(texts, known, kept[row]), *before = results[row];
        if (text == NULL)
            return false;
        results[row] = text;
        Py_XDECREF(before);
    }
    return true;
}

static PyObject *texts(PyObject *module, PyObject *arguments)
{
    PyObject *bytes, *cells, *results;
    Py_ssize_t first, last;
    Texts texts;
    Py_buffer kept, into;
    bool is_done = false;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "SOOnnOO", &bytes, &cells, &results, &first, &last,
                          &texts.null, &texts.unescape) ||
        !get_items(cells, 'd', 1, sizeof(double), &kept))
        return NULL;
    if (get_items(results, 'O', 1, sizeof(PyObject *), &into)) {
        texts.start = (const unsigned char *)PyBytes_AsString(bytes);
        texts.size = (size_t)PyBytes_Size(bytes);
        if (first < 0 || first > last || last > into.shape[0] || last > kept.shape[0])
            PyErr_SetString(PyExc_ValueError, "other rows");
        else
            is_done = make_texts(&texts, kept.buf, into.buf, (size_t)first, (size_t)last);
        PyBuffer_Release(&into);
    }
    PyBuffer_Release(&kept);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *count(PyObject *module, PyObject *arguments)
{
    PyObject *bytes;
    int byte;
    Py_ssize_t first, last;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "Sinn", &bytes, &byte, &first, &last))
        return NULL;
    if (byte < 0 || byte > 255 || first < 0 || first > last || last > PyBytes_Size(bytes)) {
        PyErr_SetString(PyExc_ValueError, "not a byte, or beyond the body");
        return NULL;
    }
    return PyLong_FromSize_t(count_of((const unsigned char *)PyBytes_AsString(bytes) + first,
                                      (size_t)(last - first), (unsigned char)byte));
}

/* ---- The module ---------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"read_json", read_json, METH_VARARGS, "The number of rows of a body; None: not accepted."},
    {"read_csv", read_csv, METH_VARARGS, "As read_json, behind the header line of a body."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot columns_slots[] = {
    {Py_tp_doc, "The columns of a signature, which bodies are read into."},
    {Py_tp_new, new_columns},
    {Py_tp_dealloc, free_columns},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec columns_spec = {
    .name = "registry.codecs.row_kernel.Columns",
    .basicsize = sizeof(Columns),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = columns_slots,
};

static int add_columns(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &columns_spec, NULL);
    int status = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);

    Py_XDECREF(type);
    return status;
}

static PyMethodDef functions[] = {
    {"texts", texts, METH_VARARGS, "Makes the strings of a column that was read."},
    {"count", count, METH_VARARGS, "How often a byte is in a part of a body."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, add_columns},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "registry.codecs.row_kernel",
    .m_doc = "Decodes JSON and CSV bodies of many rows into columns.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_row_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
