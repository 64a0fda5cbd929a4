/*
 * The Python type of the kernels that predict with trees: its methods, and the memory of a call.
 *
 * A kernel's object begins with a `TreeModel`.
 */

#ifndef HOTSWAP_TREE_MODEL_H
#define HOTSWAP_TREE_MODEL_H

#include "tree_walking.h"

typedef struct TreeModel TreeModel;

/* The predictions for `count` rows into `out` (rows x outputs). Returns -1, or the first row that has
 * a value that is not accepted. `keys` has room for the keys of a block, or of all rows, rounded up
 * to LANES, if they are fewer. */
typedef Py_ssize_t EvaluateRows(const TreeModel *self, const char *rows, bool are_doubles,
                                Py_ssize_t count, uint32_t *keys, double *out);

struct TreeModel {
    PyObject_HEAD
    Trees trees;
    Py_ssize_t features; /* of a row */
    EvaluateRows *evaluate_rows;
};

static const Array ROWS = {"rows", "fd", 0, 2, false}, OUT = {"out", "d", 8, 2, true};

static inline bool check_rows(const TreeModel *self, const Py_buffer *rows)
{
    if (rows->shape[1] != self->features) {
        PyErr_Format(PyExc_ValueError, "rows have %zd features, not %zd", rows->shape[1],
                     self->features);
        return false;
    }
    return true;
}

/* As the kernel's `evaluate_rows`, for checked `rows`. Returns false with an exception set. */
static inline bool evaluate(const TreeModel *self, const Py_buffer *rows, double *out,
                            Py_ssize_t *refused)
{
    uint32_t few[1024]; /* enough for a row of most models: no allocation */
    uint32_t *keys = few;
    const Py_ssize_t count = rows->shape[0], block = block_rows(&self->trees);
    const Py_ssize_t lanes = count < block ? (count + LANES - 1) / LANES * LANES : block;
    const size_t room = (size_t)(lanes * self->trees.features);
    const bool are_doubles = rows->format[0] == 'd';

    if (room > sizeof few / sizeof *few) {
        keys = malloc(room * sizeof *keys);
        if (keys == NULL) {
            PyErr_NoMemory();
            return false;
        }
    }
    PyThreadState *released =
        release_lock(count > STEPS_WORTH_A_SWITCH / (self->trees.total_depth + 1));
    *refused = self->evaluate_rows(self, rows->buf, are_doubles, count, keys, out);
    take_lock(released);
    if (keys != few) {
        free(keys);
    }
    return true;
}

PyDoc_STRVAR(evaluate_doc,
             "evaluate($self, rows, out, /)\n--\n\n"
             "Write the predictions for rows (rows x features, float32 or float64) into out\n"
             "(rows x outputs, float64). Returns -1, or the first row with a value that is not\n"
             "accepted; out is then unfinished.");

static inline PyObject *trees_evaluate(PyObject *object, PyObject *const *args,
                                       Py_ssize_t count)
{
    const TreeModel *self = (TreeModel *)object;
    Py_buffer rows, out;
    Py_ssize_t refused;
    PyObject *found = NULL;

    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "evaluate takes rows and out, not %zd arguments",
                            count);
    }
    if (!get_buffer(args[0], &ROWS, false, &rows)) {
        return NULL;
    }
    if (get_buffer(args[1], &OUT, true, &out)) {
        if (check_rows(self, &rows) && check_out(&out, rows.shape[0], self->trees.outputs) &&
            evaluate(self, &rows, out.buf, &refused)) {
            found = PyLong_FromSsize_t(refused);
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&rows);
    return found;
}

PyDoc_STRVAR(values_doc,
             "values($self, rows, /)\n--\n\n"
             "The predictions of trees with one output for rows, as `evaluate` takes them, in a\n"
             "list of floats. None where `evaluate` would refuse a row.");

static inline PyObject *trees_values(PyObject *object, PyObject *argument)
{
    const TreeModel *self = (TreeModel *)object;
    double few[8];
    Py_buffer rows;
    Py_ssize_t refused;
    PyObject *found = NULL;

    if (self->trees.outputs != 1) {
        return PyErr_Format(PyExc_ValueError, "the trees have %zd outputs, not one",
                            self->trees.outputs);
    }
    if (!get_buffer(argument, &ROWS, false, &rows)) {
        return NULL;
    }
    if (check_rows(self, &rows)) {
        double *out = doubles(rows.shape[0], few, sizeof few / sizeof *few);
        if (out != NULL && evaluate(self, &rows, out, &refused)) {
            found = refused < 0 ? list_of_floats(out, rows.shape[0]) : Py_NewRef(Py_None);
        }
        free_doubles(out, few);
    }
    PyBuffer_Release(&rows);
    return found;
}

PyDoc_STRVAR(one_doc,
             "one($self, features, /)\n--\n\n"
             "The prediction for one row, a list with a float for each output. features: the row as\n"
             "the bytes of doubles. None where `evaluate` would refuse the row.");

static inline PyObject *trees_one(PyObject *object, PyObject *features)
{
    const TreeModel *self = (TreeModel *)object;
    double few[64];
    char *bytes, format[] = "d";
    Py_ssize_t length, refused, shape[] = {1, self->features};
    PyObject *found = NULL;

    if (PyBytes_AsStringAndSize(features, &bytes, &length) < 0) {
        return NULL;
    }
    if (length != self->features * (Py_ssize_t)sizeof(double)) {
        return PyErr_Format(PyExc_ValueError, "features are %zd bytes, not %zd doubles", length,
                            self->features);
    }
    const Py_buffer row = {.buf = bytes, .format = format, .shape = shape};
    double *out = doubles(self->trees.outputs, few, sizeof few / sizeof *few);
    if (out != NULL && evaluate(self, &row, out, &refused)) {
        found = refused < 0 ? list_of_floats(out, self->trees.outputs) : Py_NewRef(Py_None);
    }
    free_doubles(out, few);
    return found;
}

static inline PyObject *get_depth(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((TreeModel *)self)->trees.depth);
}

static inline PyObject *get_nbytes(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(((TreeModel *)self)->trees.bytes);
}

#define TREE_MODEL_METHODS                                                                         \
    {"evaluate", (PyCFunction)(void (*)(void))trees_evaluate, METH_FASTCALL, evaluate_doc},        \
    {"values", trees_values, METH_O, values_doc}, {"one", trees_one, METH_O, one_doc}

#define TREE_MODEL_PROPERTIES                                                                      \
    {"depth", get_depth, NULL, "Steps from a root to the deepest leaf of all trees.", NULL},       \
    {"nbytes", get_nbytes, NULL, "Memory that the packed trees take.", NULL}

#endif
