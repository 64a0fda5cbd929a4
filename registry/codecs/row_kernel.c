/*
 * registry.codecs.row_kernel: decodes JSON, CSV and Arrow bodies of many rows into columns.
 * compiled_rows.py and arrow_plain.py say what it accepts; the decoders in Python do the rest.
 *
 * A body is read in one pass that needs no Python object, and so lets other threads run. Numbers are
 * written to their columns. Of a text the pass writes its place in the body, from which `texts`
 * makes the string afterwards.
 *
 * The bytes come from an attacker: see row_body.h. What the pass allocates depends on the signature
 * only.
 */

#include "../kernel.h"
#include "arrow_stream.h"
#include "csv_rows.h"
#include "json_rows.h"
#include "row_body.h"
#include "row_columns.h"
#include "row_texts.h"

enum {
    /* What is read in about 30 microseconds. To get the interpreter's lock back from busy threads
     * can take longer than a smaller body. */
    BYTES_WORTH_A_SWITCH = 32768,
};

/* ---- Reading ------------------------------------------------------------------------------- */

static const Array CELLS = {"the array of cells", "d", 8, 2, true},
                   KEPT = {"the array of kept texts", "d", 8, 1, true},
                   RESULTS = {"the array of results", "O", sizeof(PyObject *), 1, true};

/* The body and the columns that it is read into. The caller releases `view`. */
static bool get_body(Columns *self, PyObject *bytes, PyObject *cells, Body *body, Py_buffer *view)
{
    if (!get_buffer(cells, &CELLS, true, view))
        return false;
    const unsigned char *start = (const unsigned char *)PyBytes_AsString(bytes);
    const size_t size = (size_t)PyBytes_Size(bytes);
    if (view->shape[0] != self->table.width || view->shape[1] < 1 || size > LARGEST_BODY) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_ValueError, "other columns, or too large a body");
        return false;
    }
    *body = (Body){&self->table, start, start, start + size, view->buf, (size_t)view->shape[1]};
    return true;
}

static bool is_worth_a_switch(const Body *body)
{
    return body->end - body->start > BYTES_WORTH_A_SWITCH;
}

/* The number of rows, or None. */
static PyObject *answer(PyThreadState *released, Py_buffer *view, bool is_read, size_t count)
{
    take_lock(released);
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
    PyThreadState *released = release_lock(is_worth_a_switch(&body));
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
    PyThreadState *released = release_lock(is_worth_a_switch(&body));
    bool is_read = read_csv_rows(&body, columns, size, &count);
    PyObject *result = answer(released, &view, is_read, count);
    PyBuffer_Release(&header);
    return result;
}

/* The stream of an Arrow body, and whether it has the layout of a plan for `width` columns. The plan
 * is used by the stream. Returns false with an exception set where it is not a plan. */
static bool get_stream(PyObject *bytes, PyObject *model, const Py_buffer *plan, size_t width,
                       Stream *stream, bool *is_found)
{
    const size_t length = (size_t)plan->len / sizeof(int64_t);

    if ((uintptr_t)plan->buf % sizeof(int64_t) != 0 ||
        !is_plan(plan->buf, length, width, (size_t)PyBytes_Size(model)) ||
        (size_t)PyBytes_Size(bytes) > LARGEST_BODY) {
        PyErr_SetString(PyExc_ValueError, "a plan of other columns, or too large a body");
        return false;
    }
    *stream = (Stream){(const unsigned char *)PyBytes_AsString(bytes),
                       (const unsigned char *)PyBytes_AsString(model), (size_t)PyBytes_Size(bytes),
                       plan->buf, 0};
    *is_found = has_layout(stream);
    return true;
}

static PyObject *arrow_rows(PyObject *object, PyObject *arguments)
{
    PyObject *bytes, *model, *result = NULL;
    Py_buffer plan;
    Stream stream;
    bool is_found;

    if (!PyArg_ParseTuple(arguments, "SSy*", &bytes, &model, &plan))
        return NULL;
    const size_t width = (size_t)((Columns *)object)->table.width;
    if (get_stream(bytes, model, &plan, width, &stream, &is_found))
        result = PyLong_FromLongLong(is_found ? stream.rows : 0);
    PyBuffer_Release(&plan);
    return result;
}

static PyObject *read_arrow(PyObject *object, PyObject *arguments)
{
    PyObject *bytes, *model, *cells, *result = NULL;
    const Table *table = &((Columns *)object)->table;
    Py_buffer plan, view;
    Stream stream;
    bool is_found;

    if (!PyArg_ParseTuple(arguments, "SSy*O", &bytes, &model, &plan, &cells))
        return NULL;
    if (get_stream(bytes, model, &plan, (size_t)table->width, &stream, &is_found) &&
        get_buffer(cells, &CELLS, true, &view)) {
        if (view.shape[0] != table->width || (is_found && view.shape[1] != stream.rows))
            PyErr_SetString(PyExc_ValueError, "other rows or columns");
        else
            result = PyBool_FromLong(is_found && read_stream(&stream, table, view.buf));
        PyBuffer_Release(&view);
    }
    PyBuffer_Release(&plan);
    return result;
}

static PyObject *texts(PyObject *module, PyObject *arguments)
{
    PyObject *bytes, *cells, *results;
    Py_ssize_t first, row = -1;
    Texts texts;
    Py_buffer kept, into;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "SOOnOO", &bytes, &cells, &results, &first, &texts.null,
                          &texts.unescape) ||
        !get_buffer(cells, &KEPT, true, &kept))
        return NULL;
    if (get_buffer(results, &RESULTS, true, &into)) {
        texts.start = (const unsigned char *)PyBytes_AsString(bytes);
        texts.size = (size_t)PyBytes_Size(bytes);
        if (first < 0 || first > into.shape[0] || into.shape[0] != kept.shape[0])
            PyErr_SetString(PyExc_ValueError, "other rows");
        else
            row = make_texts(&texts, kept.buf, into.buf, first, into.shape[0]);
        PyBuffer_Release(&into);
    }
    PyBuffer_Release(&kept);
    return row < 0 ? NULL : PyLong_FromSsize_t(row);
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
    {"arrow_rows", arrow_rows, METH_VARARGS, "The rows of an Arrow stream; 0: not accepted."},
    {"read_arrow", read_arrow, METH_VARARGS, "Whether an Arrow stream was accepted and read."},
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
    return add_type(module, &columns_spec);
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
    .m_doc = "Decodes JSON, CSV and Arrow bodies of many rows into columns.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_row_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
