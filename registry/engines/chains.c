/*
 * registry.engines.chains: makes the features of a row from its columns, and adds them up.
 *
 * Each feature is a chain of steps on one column: fill what is missing, subtract, divide, compare
 * with a category. The steps are scikit-learn's own operations on doubles in its own order, so the
 * features have the same bits.
 *
 * A compiled module in CPython's limited API: one build serves every Python from 3.11 on. It knows
 * numpy only through the buffer protocol (PEP 3118). Whoever makes the arrays may be an attacker:
 * they are copied first and checked once, and afterwards only the copy is used.
 */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* As in trees.c: nearly the same bits are not the same. */
#if FLT_EVAL_METHOD != 0
#error "double expressions must be evaluated in double"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math breaks the meaning of NaN"
#endif

enum {
    /* Below some tens of microseconds of work the lock is kept, as in trees.c. */
    STEPS_WORTH_A_SWITCH = 32768,
    EXPONENTIALS_WORTH_A_SWITCH = 4096,
};

/* The numbers are part of the file format: registry/engines/chains_file.py has their names. */
enum { FILL, SUBTRACT, DIVIDE, MULTIPLY, ADD, EQUALS, IS_MISSING, BETWEEN, CLIP, SIGNED_LOG, KINDS };

typedef struct {
    double first, second;
    int32_t kind;
} Step;

typedef struct {
    int32_t column;
    int32_t end; /* one behind the chain's last step; it begins where the one before ends */
} Chain;

typedef struct {
    PyObject_HEAD
    Chain *chains;
    Step *steps;
    Py_ssize_t columns;
    Py_ssize_t features;
    Py_ssize_t step_count;
} Chains;

static inline double apply(const Step *step, double x)
{
    switch (step->kind) {
    case FILL:
        return x != x ? step->first : x;
    case SUBTRACT:
        return x - step->first;
    case DIVIDE:
        return x / step->first;
    case MULTIPLY:
        return x * step->first;
    case ADD:
        return x + step->first;
    case EQUALS:
        return x == step->first ? 1.0 : 0.0;
    case IS_MISSING:
        return x != x ? 1.0 : 0.0;
    case BETWEEN: /* above the first and at most the second */
        return x > step->first && x <= step->second ? 1.0 : 0.0;
    case CLIP: /* a NaN stays one */
        return x < step->first ? step->first : x > step->second ? step->second : x;
    default: /* SIGNED_LOG, from the same C library that Python's math asks */
        return copysign(log1p(fabs(x)), x);
    }
}

/* The feature of one chain. `step` is its first step, and then the next chain's. */
static inline double follow(const Chains *self, const Chain *chain, const Step **step,
                            const double *row)
{
    const Step *end = self->steps + chain->end;
    double x = row[chain->column];

    for (; *step < end; (*step)++) {
        x = apply(*step, x);
    }
    return x;
}

static void make_features(const Chains *self, const double *row, double *features)
{
    const Step *step = self->steps;

    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        features[feature] = follow(self, self->chains + feature, &step, row);
    }
}

/* The same of `count` rows, rows x features, or features x rows for `by_column`. */
static void make_many(const Chains *self, const double *rows, Py_ssize_t count, double *features,
                      bool by_column)
{
    if (!by_column) {
        for (Py_ssize_t row = 0; row < count; row++) {
            make_features(self, rows + row * self->columns, features + row * self->features);
        }
        return;
    }
    const Step *first = self->steps;
    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        const Chain *chain = self->chains + feature;
        for (Py_ssize_t row = 0; row < count; row++) {
            const Step *step = first;
            *features++ = follow(self, chain, &step, rows + row * self->columns);
        }
        first = self->steps + chain->end;
    }
}

/*
 * The features of a row times `weights` (features x outputs), added up in their order, plus `start`.
 * `sizes`, where it is not NULL, takes the sums of the absolute values of the same terms.
 */
static void weighted_sums(const Chains *self, const double *row, const double *weights,
                  const double *start, Py_ssize_t outputs, double *sums, double *sizes)
{
    const Step *step = self->steps;

    memset(sums, 0, (size_t)outputs * sizeof *sums);
    if (sizes != NULL) {
        memset(sizes, 0, (size_t)outputs * sizeof *sizes);
    }
    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        const Chain *chain = self->chains + feature;
        const double x = follow(self, chain, &step, row);
        for (Py_ssize_t output = 0; output < outputs; output++) {
            const double term = x * *weights++;
            sums[output] += term;
            if (sizes != NULL) {
                sizes[output] += fabs(term);
            }
        }
    }
    for (Py_ssize_t output = 0; output < outputs; output++) {
        sums[output] += start[output];
        if (sizes != NULL) {
            sizes[output] += fabs(start[output]);
        }
    }
}

/*
 * How far two sums of the same n products and one number may be apart, in whatever order each was
 * added up, with or without fused operations: 2 gamma(n + 1) times the sum of the absolute values,
 * gamma(n) = n u / (1 - n u) and u half of DBL_EPSILON (N. J. Higham, Accuracy and Stability of
 * Numerical Algorithms, 2nd ed., section 3.1). n + 8 for n + 1 covers the rounding of `size` itself,
 * and DBL_MIN products that underflow.
 */
static double rounding(Py_ssize_t features, double size)
{
    return (double)(features + 8) * DBL_EPSILON * size + DBL_MIN;
}

/* The place of the winning class, or -1 where rounding could choose it or a sum is not finite. */
static Py_ssize_t winner(Py_ssize_t features, const double *sums, const double *sizes,
                         Py_ssize_t outputs)
{
    Py_ssize_t best = 0;

    if (outputs == 1) { /* two classes share one score */
        const double margin = rounding(features, sizes[0]);
        return sums[0] > margin ? 1 : sums[0] < -margin ? 0 : -1;
    }
    for (Py_ssize_t output = 1; output < outputs; output++) {
        best = sums[output] > sums[best] ? output : best;
    }
    for (Py_ssize_t output = 0; output < outputs; output++) {
        const double margin = rounding(features, sizes[best]) + rounding(features, sizes[output]);
        if (output != best && !(sums[best] - sums[output] > margin)) {
            return -1;
        }
    }
    return best;
}

/* ---- Python -------------------------------------------------------------------------------- */

/* A C-contiguous buffer of `dimensions` whose items are one of `formats` and `size` bytes. */
static bool get_buffer(PyObject *object, const char *name, int dimensions, const char *formats,
                       Py_ssize_t size, bool writable, Py_buffer *view)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);

    if (PyObject_GetBuffer(object, view, flags) < 0) {
        /* numpy and memoryview raise differently for the same. */
        if (PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "%s is not %scontiguous", name,
                         writable ? "writable and " : "");
        }
        return false;
    }
    const char *format = view->format == NULL ? "B" : view->format;
    if (view->ndim != dimensions) {
        PyErr_Format(PyExc_ValueError, "%s has %d dimensions, not %d", name, view->ndim,
                     dimensions);
    } else if (format[0] == '\0' || format[1] != '\0' || strchr(formats, format[0]) == NULL ||
               view->itemsize != size) {
        PyErr_Format(PyExc_ValueError, "%s has items of format '%s', not '%s' of %zd bytes", name,
                     format, formats, size);
    } else if ((uintptr_t)view->buf % (uintptr_t)size != 0 && view->len > 0) {
        PyErr_Format(PyExc_ValueError, "%s is not aligned", name);
    } else {
        return true;
    }
    PyBuffer_Release(view);
    return false;
}

enum { COLUMN, LENGTH, KIND, FIRST, SECOND, ARRAYS };

static const struct {
    const char *name;
    const char *formats;
    Py_ssize_t size;
} ARRAY[ARRAYS] = {
    [COLUMN] = {"column", "il", 4},   [LENGTH] = {"length", "il", 4}, [KIND] = {"kind", "B", 1},
    [FIRST] = {"first", "d", 8},      [SECOND] = {"second", "d", 8},
};

static bool check_sizes(const Py_buffer *views, Py_ssize_t columns)
{
    Py_ssize_t features = views[COLUMN].shape[0], steps = views[KIND].shape[0];

    if (columns < 1 || columns > INT32_MAX || features < 1 || features > INT32_MAX ||
        steps > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%zd columns, %zd features and %zd steps", columns, features,
                     steps);
    } else if (views[LENGTH].shape[0] != features) {
        PyErr_Format(PyExc_ValueError, "%zd lengths of %zd chains", views[LENGTH].shape[0],
                     features);
    } else if (views[FIRST].shape[0] != steps || views[SECOND].shape[0] != steps) {
        PyErr_SetString(PyExc_ValueError, "kind, first and second have different lengths");
    } else {
        return true;
    }
    return false;
}

/* Each number is read a single time: another thread could write to the arrays in between. */
static bool copy_chains(Chains *self, const Py_buffer *views)
{
    const int32_t *column = views[COLUMN].buf, *length = views[LENGTH].buf;
    Py_ssize_t steps = 0;

    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        int32_t own_column = column[feature], own_length = length[feature];
        if (own_column < 0 || own_column >= self->columns) {
            PyErr_Format(PyExc_ValueError, "chain %zd is of column %d", feature, (int)own_column);
            return false;
        }
        if (own_length < 0 || own_length > self->step_count - steps) {
            PyErr_Format(PyExc_ValueError, "chain %zd has %d steps", feature, (int)own_length);
            return false;
        }
        steps += own_length;
        self->chains[feature] = (Chain){own_column, (int32_t)steps};
    }
    if (steps != self->step_count) {
        PyErr_Format(PyExc_ValueError, "%zd steps, the chains have %zd", self->step_count, steps);
        return false;
    }
    return true;
}

static bool copy_steps(Chains *self, const Py_buffer *views)
{
    const unsigned char *kind = views[KIND].buf;
    const double *first = views[FIRST].buf, *second = views[SECOND].buf;

    for (Py_ssize_t step = 0; step < self->step_count; step++) {
        self->steps[step] = (Step){first[step], second[step], kind[step]};
        if (self->steps[step].kind >= KINDS) {
            PyErr_Format(PyExc_ValueError, "step %zd is of kind %d", step,
                         (int)self->steps[step].kind);
            return false;
        }
    }
    return true;
}

static bool fill(Chains *self, const Py_buffer *views)
{
    self->features = views[COLUMN].shape[0];
    self->step_count = views[KIND].shape[0];
    self->chains = malloc((size_t)self->features * sizeof *self->chains);
    self->steps = malloc((size_t)(self->step_count + 1) * sizeof *self->steps);
    if (self->chains == NULL || self->steps == NULL) {
        PyErr_NoMemory();
        return false;
    }
    return copy_chains(self, views) && copy_steps(self, views);
}

static PyObject *chains_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"column", "length", "kind", "first", "second", "columns", NULL};
    PyObject *objects[ARRAYS];
    Py_buffer views[ARRAYS];
    Py_ssize_t columns;
    int held = 0;
    Chains *self = NULL;
    bool done = false;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOO$n:Chains", names, &objects[COLUMN],
                                     &objects[LENGTH], &objects[KIND], &objects[FIRST],
                                     &objects[SECOND], &columns)) {
        return NULL;
    }
    while (held < ARRAYS && get_buffer(objects[held], ARRAY[held].name, 1, ARRAY[held].formats,
                                       ARRAY[held].size, false, &views[held])) {
        held++;
    }
    if (held == ARRAYS && check_sizes(views, columns)) {
        allocfunc allocate_object = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
        self = (Chains *)allocate_object(type, 0);
    }
    if (self != NULL) {
        self->columns = columns;
        done = fill(self, views);
    }
    while (held > 0) {
        PyBuffer_Release(&views[--held]);
    }
    if (!done) {
        Py_XDECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void chains_dealloc(PyObject *object)
{
    Chains *self = (Chains *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free(self->chains);
    free(self->steps);
    free_object(object);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

/* A cell of a row: a number, or None where it is missing. */
static bool read_cell(PyObject *cell, double *x)
{
    if (cell == Py_None) {
        *x = (double)NAN;
        return true;
    }
    *x = PyFloat_AsDouble(cell);
    return *x != -1.0 || PyErr_Occurred() == NULL;
}

static bool read_row(const Chains *self, PyObject *cells, double *row)
{
    if (PyTuple_Size(cells) != self->columns) {
        PyErr_Format(PyExc_ValueError, "a row of %zd cells, not %zd", PyTuple_Size(cells),
                     self->columns);
        return false;
    }
    for (Py_ssize_t column = 0; column < self->columns; column++) {
        if (!read_cell(PyTuple_GetItem(cells, column), row + column)) {
            return false;
        }
    }
    return true;
}

static bool check_out(const Py_buffer *out, Py_ssize_t rows, Py_ssize_t columns)
{
    if (out->shape[0] != rows || out->shape[1] != columns) {
        PyErr_Format(PyExc_ValueError, "out is %zd x %zd, not %zd x %zd", out->shape[0],
                     out->shape[1], rows, columns);
        return false;
    }
    return true;
}

PyDoc_STRVAR(row_doc,
             "row($self, cells, /)\n--\n\n"
             "The features of a row as the bytes of so many doubles. cells: a tuple of numbers, and\n"
             "None for what is missing. Raises TypeError, ValueError, OverflowError.");

static PyObject *chains_row(PyObject *object, PyObject *cells)
{
    const Chains *self = (Chains *)object;
    double few[64]; /* the columns of most models: no allocation */
    double *row = few;
    PyObject *made = NULL;

    if (!PyTuple_Check(cells)) {
        PyErr_SetString(PyExc_TypeError, "row takes a tuple of cells");
        return NULL;
    }
    if (self->columns > (Py_ssize_t)(sizeof few / sizeof *few)) {
        row = malloc((size_t)self->columns * sizeof *row);
    }
    if (row == NULL) {
        return PyErr_NoMemory();
    }
    if (read_row(self, cells, row)) {
        made = PyBytes_FromStringAndSize(NULL, self->features * (Py_ssize_t)sizeof(double));
    }
    if (made != NULL) {
        make_features(self, row, (double *)(void *)PyBytes_AsString(made));
    }
    if (row != few) {
        free(row);
    }
    return made;
}

/* The linear model that a method is given. */
typedef struct {
    Py_buffer weights, start;
    Py_ssize_t outputs;
} Model;

static bool take_model(const Chains *self, PyObject *weights, PyObject *start, Model *model)
{
    if (!get_buffer(weights, "weights", 2, "d", sizeof(double), false, &model->weights)) {
        return false;
    }
    if (get_buffer(start, "start", 1, "d", sizeof(double), false, &model->start)) {
        model->outputs = model->weights.shape[1];
        if (model->weights.shape[0] == self->features &&
            model->start.shape[0] == model->outputs && model->outputs > 0) {
            return true;
        }
        PyErr_Format(PyExc_ValueError, "weights are %zd x %zd and start %zd, of %zd features",
                     model->weights.shape[0], model->outputs, model->start.shape[0],
                     self->features);
        PyBuffer_Release(&model->start);
    }
    PyBuffer_Release(&model->weights);
    return false;
}

static void release_model(Model *model)
{
    PyBuffer_Release(&model->start);
    PyBuffer_Release(&model->weights);
}

static PyObject *to_list(const double *numbers, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);

    for (Py_ssize_t at = 0; list != NULL && at < count; at++) {
        PyObject *number = PyFloat_FromDouble(numbers[at]);
        if (number == NULL || PyList_SetItem(list, at, number) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* The sums of one row as a list, or the winner among them. */
static PyObject *sum_row(PyObject *object, PyObject *const *args, Py_ssize_t count, bool decide)
{
    const Chains *self = (Chains *)object;
    double few[64]; /* columns, sums and sizes of most models: no allocation */
    double *room = few;
    PyObject *found = NULL;
    Model model;

    if (count != 3 || !PyTuple_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "a tuple of cells, weights and start are required");
        return NULL;
    }
    if (!take_model(self, args[1], args[2], &model)) {
        return NULL;
    }
    if (self->columns + 2 * model.outputs > (Py_ssize_t)(sizeof few / sizeof *few)) {
        room = malloc((size_t)(self->columns + 2 * model.outputs) * sizeof *room);
    }
    if (room == NULL) {
        PyErr_NoMemory();
    } else if (read_row(self, args[0], room)) {
        double *sums = room + self->columns, *sizes = decide ? sums + model.outputs : NULL;
        weighted_sums(self, room, model.weights.buf, model.start.buf, model.outputs, sums, sizes);
        found = decide ? PyLong_FromSsize_t(winner(self->features, sums, sizes, model.outputs))
                       : to_list(sums, model.outputs);
    }
    if (room != few) {
        free(room);
    }
    release_model(&model);
    return found;
}

PyDoc_STRVAR(weighted_sums_doc,
             "weighted_sums($self, cells, weights, start, /)\n--\n\n"
             "The features of a row times weights (features x outputs, float64), added up in their\n"
             "order, plus start (outputs, float64): a list of floats. cells as for row. Raises\n"
             "TypeError, ValueError, OverflowError.");

static PyObject *chains_weighted_sums(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    return sum_row(object, args, count, false);
}

PyDoc_STRVAR(decide_doc,
             "decide($self, cells, weights, start, /)\n--\n\n"
             "The place of the highest of the sums that weighted_sums gives; of a single sum 1 where it is\n"
             "above zero and 0 where it is below. -1 where another order of the same sums could\n"
             "give another place, or where a sum is not finite. Arguments and errors as for weighted_sums.");

static PyObject *chains_decide(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    return sum_row(object, args, count, true);
}

static bool check_rows(const Chains *self, const Py_buffer *rows)
{
    if (rows->shape[1] != self->columns) {
        PyErr_Format(PyExc_ValueError, "rows have %zd columns, not %zd", rows->shape[1],
                     self->columns);
        return false;
    }
    return true;
}

/* Lets other threads run where `rows` rows take long. */
static PyThreadState *release_lock(const Chains *self, Py_ssize_t rows, Py_ssize_t outputs)
{
    Py_ssize_t steps = self->step_count + self->features * outputs;

    return rows > STEPS_WORTH_A_SWITCH / steps ? PyEval_SaveThread() : NULL;
}

static void take_lock(PyThreadState *released)
{
    if (released != NULL) {
        PyEval_RestoreThread(released);
    }
}

PyDoc_STRVAR(weighted_sums_many_doc,
             "weighted_sums_many($self, rows, weights, start, out, /)\n--\n\n"
             "Write what weighted_sums gives for each of rows (rows x columns, float64, NaN where a value is\n"
             "missing) into out (rows x outputs, float64). Raises ValueError.");

static PyObject *chains_weighted_sums_many(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const Chains *self = (Chains *)object;
    Py_buffer rows, out;
    Model model;
    bool done = false;

    if (count != 4) {
        return PyErr_Format(PyExc_TypeError, "weighted_sums_many takes 4 arguments, not %zd", count);
    }
    if (!get_buffer(args[0], "rows", 2, "d", sizeof(double), false, &rows)) {
        return NULL;
    }
    if (get_buffer(args[3], "out", 2, "d", sizeof(double), true, &out)) {
        if (check_rows(self, &rows) && take_model(self, args[1], args[2], &model)) {
            const double *row = rows.buf;
            double *sums = out.buf;
            if (check_out(&out, rows.shape[0], model.outputs)) {
                PyThreadState *released = release_lock(self, rows.shape[0], model.outputs);
                for (Py_ssize_t at = 0; at < rows.shape[0]; at++, row += self->columns) {
                    weighted_sums(self, row, model.weights.buf, model.start.buf, model.outputs, sums, NULL);
                    sums += model.outputs;
                }
                take_lock(released);
                done = true;
            }
            release_model(&model);
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&rows);
    return done ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(many_doc,
             "many($self, rows, out, by_column, /)\n--\n\n"
             "Write the features of rows (rows x columns, float64, NaN where a value is missing)\n"
             "into out (float64): rows x features, or features x rows for by_column. Raises\n"
             "ValueError.");

static PyObject *chains_many(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const Chains *self = (Chains *)object;
    Py_buffer rows, out;
    bool done = false;

    if (count != 3) {
        return PyErr_Format(PyExc_TypeError, "many takes 3 arguments, not %zd", count);
    }
    const bool by_column = args[2] == Py_True;
    if (!get_buffer(args[0], "rows", 2, "d", sizeof(double), false, &rows)) {
        return NULL;
    }
    if (get_buffer(args[1], "out", 2, "d", sizeof(double), true, &out)) {
        const Py_ssize_t row_count = rows.shape[0];
        if (check_rows(self, &rows) && (by_column ? check_out(&out, self->features, row_count)
                                                  : check_out(&out, row_count, self->features))) {
            PyThreadState *released = release_lock(self, row_count, 1);
            make_many(self, rows.buf, row_count, out.buf, by_column);
            take_lock(released);
            done = true;
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&rows);
    return done ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(logistic_doc,
             "logistic(numbers, /)\n--\n\n"
             "Replace each x of numbers (one dimension, float64) by 1 / (1 + exp(-x)), as\n"
             "scipy.special.expit computes it: with the C library's exp, where numpy has its own on\n"
             "some processors. Raises ValueError.");

static PyObject *chains_logistic(PyObject *Py_UNUSED(module), PyObject *object)
{
    Py_buffer numbers;

    if (!get_buffer(object, "numbers", 1, "d", sizeof(double), true, &numbers)) {
        return NULL;
    }
    double *x = numbers.buf;
    PyThreadState *released =
        numbers.shape[0] > EXPONENTIALS_WORTH_A_SWITCH ? PyEval_SaveThread() : NULL;
    for (Py_ssize_t at = 0; at < numbers.shape[0]; at++) {
        x[at] = 1.0 / (1.0 + exp(-x[at]));
    }
    take_lock(released);
    PyBuffer_Release(&numbers);
    return Py_NewRef(Py_None);
}

static PyObject *get_columns(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Chains *)self)->columns);
}

static PyObject *get_features(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Chains *)self)->features);
}

static PyMethodDef methods[] = {
    {"row", chains_row, METH_O, row_doc},
    {"weighted_sums", (PyCFunction)(void (*)(void))chains_weighted_sums, METH_FASTCALL, weighted_sums_doc},
    {"decide", (PyCFunction)(void (*)(void))chains_decide, METH_FASTCALL, decide_doc},
    {"weighted_sums_many", (PyCFunction)(void (*)(void))chains_weighted_sums_many, METH_FASTCALL, weighted_sums_many_doc},
    {"many", (PyCFunction)(void (*)(void))chains_many, METH_FASTCALL, many_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef functions[] = {
    {"logistic", chains_logistic, METH_O, logistic_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"columns", get_columns, NULL, "How many columns a row has.", NULL},
    {"features", get_features, NULL, "How many features are made of it.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(chains_doc,
             "Chains(column, length, kind, first, second, *, columns)\n--\n\n"
             "Chains of steps, checked and copied: for each feature its column (int32) and the\n"
             "number of its steps (int32); for each step, one behind the other, its kind (uint8)\n"
             "and two operands (float64). Immutable: any number of threads may ask.\n"
             "Raises ValueError.");

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)chains_new},
    {Py_tp_dealloc, (void *)chains_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_doc, (void *)chains_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "registry.engines.chains.Chains",
    .basicsize = sizeof(Chains),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int add_type(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int status = -1;

    if (type != NULL) {
        status = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
    }
    return status;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)add_type},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "registry.engines.chains",
    .m_doc = "Makes the features of a row from its columns, and adds them up.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_chains(void)
{
    return PyModuleDef_Init(&module_definition);
}
