/*
 * registry.engines.chain_kernel: makes the features of a row from its columns, and adds them up.
 *
 * Each feature is a chain of steps on one column: fill what is missing, subtract, divide, compare
 * with a category. The steps are scikit-learn's own operations on doubles in its own order, so the
 * features have the same bits.
 */

#include "../kernel.h"

enum {
    EXPONENTIALS_WORTH_A_SWITCH = 4096,
    ROWS_AT_ONCE = 128,
    FEATURES_AT_ONCE = 8, /* a line of the cache */
    LATEST_TEXTS = 64, /* a power of two */
};

/* The first moment of the year 1 and the last of the year 9999, in seconds since 1970. */
static const double FIRST_DATE = -62135596800.0, LAST_DATE = 253402300799.999999;

/* The numbers are part of the file format: registry/engines/chains_file.py has their names. */
enum {
    FILL, SUBTRACT, DIVIDE, MULTIPLY, ADD, EQUALS, IS_MISSING, BETWEEN, CLIP, SIGNED_LOG,
    YEAR, MONTH, WEEKDAY, HOUR, SINE, COSINE, LOOK_UP, ENTRY
};

/* A number and its value, in the table of a LOOK_UP. */
typedef struct {
    double key, value;
} Entry;

typedef struct {
    union {
        double first;
        const Entry *entries; /* of a LOOK_UP: `count`, ascending, but the last one is for NaN */
    };
    double second;
    int32_t kind;
    int32_t count;
} Step;

typedef struct {
    int32_t column;
    int32_t end; /* one behind the chain's last step; it begins where the previous chain ends */
} Chain;

typedef struct {
    PyObject_HEAD
    Chain *chains;
    Step *steps;
    Entry *entries;
    Py_ssize_t columns;
    Py_ssize_t features;
    Py_ssize_t step_count;
} Chains;

/*
 * A part of a date in UTC, which is given in seconds since 1970: see registry/dates.py. NaN outside
 * the years 1 to 9999. Year and month are computed by Howard Hinnant's civil_from_days: years begin
 * on the first of March, in eras of 400 years (https://howardhinnant.github.io/date_algorithms.html).
 */
static double date_part(int32_t part, double x)
{
    if (!(x >= FIRST_DATE && x <= LAST_DATE)) {
        return (double)NAN;
    }
    const double days = floor(x / 86400.0);
    if (part == HOUR) {
        return floor((x - days * 86400.0) / 3600.0);
    }
    if (part == WEEKDAY) { /* from 0 for Monday; 1970-01-01 was a Thursday */
        return (double)(((int64_t)days + 7 * 104000 + 3) % 7);
    }
    const int64_t shifted = (int64_t)days + 719468; /* since 0000-03-01: not negative here */
    const int64_t era = shifted / 146097, day = shifted % 146097;
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int64_t month = (5 * (day - (365 * year + year / 4 - year / 100)) + 2) / 153;
    if (part == MONTH) {
        return (double)(month < 10 ? month + 3 : month - 9);
    }
    return (double)(year + era * 400 + (month < 10 ? 0 : 1));
}

/* By binary search. In a table that is not in order it finds nothing, or another entry. */
static double look_up(const Step *step, double x)
{
    const Entry *entries = step->entries;
    const int32_t last = step->count - 1;
    int32_t low = 0, high = last;

    if (x != x) {
        return entries[last].value;
    }
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (entries[middle].key < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < last && entries[low].key == x ? entries[low].value : step->second;
}

static inline double apply_kind(int32_t kind, const Step *step, double x)
{
    switch (kind) {
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
    case SIGNED_LOG: /* this, SINE and COSINE with the C library that Python's math module uses */
        return copysign(log1p(fabs(x)), x);
    case SINE:
        return sin(x);
    case COSINE:
        return cos(x);
    case LOOK_UP:
        return look_up(step, x);
    default:
        return date_part(kind, x);
    }
}

static inline double apply(const Step *step, double x)
{
    return apply_kind(step->kind, step, x);
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

/* One step of `count` numbers. The steps that most models consist of have loops of their own, which
 * the compiler turns into vector instructions. */
static void apply_to_all(const Step *step, double *x, Py_ssize_t count)
{
    const Step local = *step; /* `x` cannot change it */

#define APPLY_TO_ALL(KIND)                                                                         \
    case KIND:                                                                                     \
        for (Py_ssize_t at = 0; at < count; at++) {                                                \
            x[at] = apply_kind(KIND, &local, x[at]);                                               \
        }                                                                                          \
        return

    switch (local.kind) {
        APPLY_TO_ALL(FILL);
        APPLY_TO_ALL(SUBTRACT);
        APPLY_TO_ALL(DIVIDE);
        APPLY_TO_ALL(MULTIPLY);
        APPLY_TO_ALL(ADD);
        APPLY_TO_ALL(EQUALS);
        APPLY_TO_ALL(IS_MISSING);
        APPLY_TO_ALL(BETWEEN);
        APPLY_TO_ALL(CLIP);
    default:
        for (Py_ssize_t at = 0; at < count; at++) {
            x[at] = apply(&local, x[at]);
        }
    }
#undef APPLY_TO_ALL
}

/* One feature of the rows `first` to `first + taken`, of `count` whose cells are columns x rows. `step`
 * is as in `follow`. */
static void follow_all(const Chains *self, const Chain *chain, const Step **step,
                       const double *cells, Py_ssize_t count, Py_ssize_t first, Py_ssize_t taken,
                       double *x)
{
    const Step *end = self->steps + chain->end;

    memcpy(x, cells + chain->column * count + first, (size_t)taken * sizeof *x);
    for (; *step < end; (*step)++) {
        apply_to_all(*step, x, taken);
    }
}

/* Writes a tile of `width` features of `taken` rows, which are `to_row` features apart. Written one
 * feature after the other, rows whose size is a power of two would push each other out of the
 * cache. */
static void write_tile(double (*tile)[ROWS_AT_ONCE], Py_ssize_t width, double *features,
                       Py_ssize_t to_row, Py_ssize_t taken)
{
    for (Py_ssize_t row = 0; row < taken; row++) {
        for (Py_ssize_t at = 0; at < width; at++) {
            features[row * to_row + at] = tile[at][row];
        }
    }
}

/* The features of `count` rows, whose cells are columns x rows: rows x features, or features x rows
 * for `by_column`. */
static void make_many(const Chains *self, const double *cells, Py_ssize_t count, double *features,
                      bool by_column)
{
    double tile[FEATURES_AT_ONCE][ROWS_AT_ONCE];

    for (Py_ssize_t first = 0; first < count; first += ROWS_AT_ONCE) {
        const Py_ssize_t taken = count - first < ROWS_AT_ONCE ? count - first : ROWS_AT_ONCE;
        const Step *step = self->steps;
        for (Py_ssize_t feature = 0; feature < self->features; feature++) {
            const Py_ssize_t at = feature % FEATURES_AT_ONCE;
            double *x = by_column ? features + feature * count + first : tile[at];
            follow_all(self, self->chains + feature, &step, cells, count, first, taken, x);
            if (!by_column && (at == FEATURES_AT_ONCE - 1 || feature == self->features - 1)) {
                write_tile(tile, at + 1, features + first * self->features + feature - at,
                           self->features, taken);
            }
        }
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

/* Adds the products of a feature of `count` rows and its weights to `sums` (rows x outputs). */
static inline void add_products(const double *x, Py_ssize_t count, const double *weights,
                                Py_ssize_t outputs, double *sums)
{
    for (Py_ssize_t row = 0; row < count; row++) {
        for (Py_ssize_t output = 0; output < outputs; output++) {
            sums[row * outputs + output] += x[row] * weights[output];
        }
    }
}

/* The sums that `weighted_sums` gives for each of `count` rows, whose cells are columns x rows: each
 * row's products are added in the same order. */
static void weighted_sums_of_all(const Chains *self, const double *cells, Py_ssize_t count,
                                 const double *weights, const double *start, Py_ssize_t outputs,
                                 double *sums)
{
    double x[ROWS_AT_ONCE];

    memset(sums, 0, (size_t)(count * outputs) * sizeof *sums);
    for (Py_ssize_t first = 0; first < count; first += ROWS_AT_ONCE, sums += ROWS_AT_ONCE * outputs) {
        const Py_ssize_t taken = count - first < ROWS_AT_ONCE ? count - first : ROWS_AT_ONCE;
        const Step *step = self->steps;
        for (Py_ssize_t feature = 0; feature < self->features; feature++) {
            follow_all(self, self->chains + feature, &step, cells, count, first, taken, x);
            if (outputs == 1) { /* a loop of its own, in vector instructions */
                add_products(x, taken, weights + feature, 1, sums);
            } else {
                add_products(x, taken, weights + feature * outputs, outputs, sums);
            }
        }
        for (Py_ssize_t at = 0; at < taken * outputs; at++) {
            sums[at] += start[at % outputs];
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

/* The index of the winning class; -1 where rounding could decide it, or a sum is not finite. */
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

enum { COLUMN, LENGTH, KIND, FIRST, SECOND, ARRAYS };

static const Array ARRAY[ARRAYS] = {
    [COLUMN] = {"column", "il", 4, 1, true}, [LENGTH] = {"length", "il", 4, 1, true},
    [KIND] = {"kind", "B", 1, 1, true},      [FIRST] = {"first", "d", 8, 1, true},
    [SECOND] = {"second", "d", 8, 1, true},
};
static const Array CELLS = {"cells", "d", 8, 2, true}, OUT = {"out", "d", 8, 2, true};
static const Array WEIGHTS = {"weights", "d", 8, 2, true}, START = {"start", "d", 8, 1, true};
static const Array NUMBERS = {"numbers", "d", 8, 1, true};
static const Array TEXTS = {"texts", "O", sizeof(PyObject *), 1, true};

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

/* The step at `from`, whose chain ends before `end`, and the entries that follow it. Returns the
 * place behind them; -1 with an exception set. */
static Py_ssize_t copy_step(Chains *self, const Py_buffer *views, Py_ssize_t from, Py_ssize_t end,
                            Step *step, Py_ssize_t *entries)
{
    const unsigned char *kind = views[KIND].buf;
    const double *first = views[FIRST].buf, *second = views[SECOND].buf;

    *step = (Step){.first = first[from], .second = second[from], .kind = kind[from]};
    if (step->kind >= ENTRY) {
        PyErr_Format(PyExc_ValueError, "step %zd is of kind %d", from, (int)step->kind);
        return -1;
    }
    from++;
    if (step->kind != LOOK_UP) {
        return from;
    }
    const double count = step->first;
    if (!(count >= 1.0 && count <= (double)(end - from))) {
        PyErr_Format(PyExc_ValueError, "step %zd has a table that its chain does not hold", from - 1);
        return -1;
    }
    step->count = (int32_t)count;
    step->entries = self->entries + *entries;
    for (int32_t entry = 0; entry < step->count; entry++, from++) {
        if (kind[from] != ENTRY) {
            PyErr_Format(PyExc_ValueError, "step %zd is not an entry of a table", from);
            return -1;
        }
        self->entries[(*entries)++] = (Entry){first[from], second[from]};
    }
    return from;
}

/* Takes the entries of tables out from between the steps, and moves the ends of chains. */
static bool copy_steps(Chains *self, const Py_buffer *views)
{
    Py_ssize_t from = 0, steps = 0, entries = 0;

    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        const Py_ssize_t end = self->chains[feature].end;
        while (from < end) {
            from = copy_step(self, views, from, end, self->steps + steps++, &entries);
            if (from < 0) {
                return false;
            }
        }
        self->chains[feature].end = (int32_t)steps;
    }
    self->step_count = steps;
    return true;
}

static bool fill(Chains *self, const Py_buffer *views)
{
    self->features = views[COLUMN].shape[0];
    self->step_count = views[KIND].shape[0];
    self->chains = malloc((size_t)self->features * sizeof *self->chains);
    self->steps = malloc((size_t)(self->step_count + 1) * sizeof *self->steps);
    self->entries = malloc((size_t)(self->step_count + 1) * sizeof *self->entries);
    if (self->chains == NULL || self->steps == NULL || self->entries == NULL) {
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
    int held;
    Chains *self = NULL;
    bool done = false;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOO$n:Chains", names, &objects[COLUMN],
                                     &objects[LENGTH], &objects[KIND], &objects[FIRST],
                                     &objects[SECOND], &columns)) {
        return NULL;
    }
    held = get_buffers(objects, ARRAY, ARRAYS, views);
    if (held == ARRAYS && check_sizes(views, columns)) {
        self = allocate_object(type);
    }
    if (self != NULL) {
        self->columns = columns;
        done = fill(self, views);
    }
    release_buffers(views, held);
    if (!done) {
        Py_XDECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void chains_dealloc(PyObject *object)
{
    Chains *self = (Chains *)object;

    free(self->chains);
    free(self->steps);
    free(self->entries);
    free_object(object);
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

PyDoc_STRVAR(row_doc,
             "row($self, cells, /)\n--\n\n"
             "The features of a row as the bytes of doubles. cells: a tuple of numbers, with None\n"
             "where a value is missing. Raises TypeError, ValueError, OverflowError.");

static PyObject *chains_row(PyObject *object, PyObject *cells)
{
    const Chains *self = (Chains *)object;
    double few[64];
    PyObject *made = NULL;

    if (!PyTuple_Check(cells)) {
        PyErr_SetString(PyExc_TypeError, "row takes a tuple of cells");
        return NULL;
    }
    double *row = doubles(self->columns, few, sizeof few / sizeof *few);
    if (row != NULL && read_row(self, cells, row)) {
        made = PyBytes_FromStringAndSize(NULL, self->features * (Py_ssize_t)sizeof(double));
    }
    if (made != NULL) {
        make_features(self, row, (double *)(void *)PyBytes_AsString(made));
    }
    free_doubles(row, few);
    return made;
}

/* The linear model that a method is given. */
typedef struct {
    Py_buffer weights, start;
    Py_ssize_t outputs;
} Model;

static bool take_model(const Chains *self, PyObject *weights, PyObject *start, Model *model)
{
    if (!get_buffer(weights, &WEIGHTS, false, &model->weights)) {
        return false;
    }
    if (get_buffer(start, &START, false, &model->start)) {
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

/* The sums of one row as a list, or the winner among them. */
static PyObject *sum_row(PyObject *object, PyObject *const *args, Py_ssize_t count, bool decide)
{
    const Chains *self = (Chains *)object;
    double few[64];
    PyObject *found = NULL;
    Model model;

    if (count != 3 || !PyTuple_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "a tuple of cells, weights and start are required");
        return NULL;
    }
    if (!take_model(self, args[1], args[2], &model)) {
        return NULL;
    }
    double *room = doubles(self->columns + 2 * model.outputs, few, sizeof few / sizeof *few);
    if (room != NULL && read_row(self, args[0], room)) {
        double *sums = room + self->columns, *sizes = decide ? sums + model.outputs : NULL;
        weighted_sums(self, room, model.weights.buf, model.start.buf, model.outputs, sums, sizes);
        found = decide ? PyLong_FromSsize_t(winner(self->features, sums, sizes, model.outputs))
                       : list_of_floats(sums, model.outputs);
    }
    free_doubles(room, few);
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
             "The index of the highest of the sums that weighted_sums gives; of a single sum 1 where\n"
             "it is above zero and 0 where it is below. -1 where adding up in another order could\n"
             "give another index, or where a sum is not finite. Arguments and errors as for\n"
             "weighted_sums.");

static PyObject *chains_decide(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    return sum_row(object, args, count, true);
}

static bool check_cells(const Chains *self, const Py_buffer *cells)
{
    if (cells->shape[0] != self->columns) {
        PyErr_Format(PyExc_ValueError, "cells have %zd columns, not %zd", cells->shape[0],
                     self->columns);
        return false;
    }
    return true;
}

static bool take_long(const Chains *self, Py_ssize_t rows, Py_ssize_t outputs)
{
    return rows > STEPS_WORTH_A_SWITCH / (self->step_count + self->features * outputs);
}

PyDoc_STRVAR(weighted_sums_many_doc,
             "weighted_sums_many($self, cells, weights, start, out, /)\n--\n\n"
             "Write what weighted_sums gives for each row of cells (columns x rows, float64, NaN\n"
             "where a value is missing) into out (rows x outputs, float64). Raises ValueError.");

static PyObject *chains_weighted_sums_many(PyObject *object, PyObject *const *args,
                                           Py_ssize_t count)
{
    const Chains *self = (Chains *)object;
    Py_buffer cells, out;
    Model model;
    bool done = false;

    if (count != 4) {
        return PyErr_Format(PyExc_TypeError, "weighted_sums_many takes 4 arguments, not %zd",
                            count);
    }
    if (!get_buffer(args[0], &CELLS, false, &cells)) {
        return NULL;
    }
    if (get_buffer(args[3], &OUT, true, &out)) {
        const Py_ssize_t row_count = cells.shape[1];
        if (check_cells(self, &cells) && take_model(self, args[1], args[2], &model)) {
            if (check_out(&out, row_count, model.outputs)) {
                PyThreadState *released = release_lock(take_long(self, row_count, model.outputs));
                weighted_sums_of_all(self, cells.buf, row_count, model.weights.buf,
                                     model.start.buf, model.outputs, out.buf);
                take_lock(released);
                done = true;
            }
            release_model(&model);
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&cells);
    return done ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(many_doc,
             "many($self, cells, out, by_column, /)\n--\n\n"
             "Write the features of the rows of cells (columns x rows, float64, NaN where a value\n"
             "is missing) into out (float64): rows x features, or features x rows for by_column.\n"
             "Raises ValueError.");

static PyObject *chains_many(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const Chains *self = (Chains *)object;
    Py_buffer cells, out;
    bool done = false;

    if (count != 3) {
        return PyErr_Format(PyExc_TypeError, "many takes 3 arguments, not %zd", count);
    }
    const bool by_column = args[2] == Py_True;
    if (!get_buffer(args[0], &CELLS, false, &cells)) {
        return NULL;
    }
    if (get_buffer(args[1], &OUT, true, &out)) {
        const Py_ssize_t row_count = cells.shape[1];
        if (check_cells(self, &cells) && (by_column ? check_out(&out, self->features, row_count)
                                                    : check_out(&out, row_count, self->features))) {
            PyThreadState *released = release_lock(take_long(self, row_count, 1));
            make_many(self, cells.buf, row_count, out.buf, by_column);
            take_lock(released);
            done = true;
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&cells);
    return done ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(encode_doc,
             "encode(texts, codes, out, /)\n--\n\n"
             "Write into out (float64) the number that the dict codes has for each of texts (as many\n"
             "objects): -1 for a text that it does not have, NaN for what is not a text. Raises\n"
             "ValueError.");

/* The number of a text. Returns false with an exception set. */
static bool code_of(PyObject *codes, PyObject *text, double *code)
{
    if (text == NULL || !PyUnicode_Check(text)) {
        *code = (double)NAN;
        return true;
    }
    PyObject *known = PyDict_GetItemWithError(codes, text);
    *code = known == NULL ? -1.0 : PyFloat_AsDouble(known);
    return *code != -1.0 || PyErr_Occurred() == NULL;
}

static PyObject *encode(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    /* Columns repeat texts, and decoders share the strings: the last ones are found again by their
     * addresses, which is several times as fast. `texts` keeps them alive. */
    struct {
        PyObject *text;
        double code;
    } latest[LATEST_TEXTS] = {{NULL, (double)NAN}};
    Py_buffer texts, out;
    bool done = false;

    if (count != 3 || !PyDict_Check(args[1])) {
        return PyErr_Format(PyExc_TypeError, "encode takes an array, a dict and an array");
    }
    if (!get_buffer(args[0], &TEXTS, false, &texts)) {
        return NULL;
    }
    if (get_buffer(args[2], &NUMBERS, true, &out)) {
        PyObject *const *text = texts.buf;
        double *code = out.buf;
        done = texts.shape[0] == out.shape[0];
        if (!done) {
            PyErr_Format(PyExc_ValueError, "%zd texts, and room for %zd", texts.shape[0],
                         out.shape[0]);
        }
        for (Py_ssize_t at = 0; done && at < texts.shape[0]; at++) {
            const uintptr_t address = (uintptr_t)text[at];
            const size_t place = (address >> 4 ^ address >> 10) % LATEST_TEXTS;
            if (latest[place].text != text[at]) {
                done = code_of(args[1], text[at], &latest[place].code);
                latest[place].text = text[at];
            }
            code[at] = latest[place].code;
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&texts);
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

    if (!get_buffer(object, &NUMBERS, true, &numbers)) {
        return NULL;
    }
    double *x = numbers.buf;
    PyThreadState *released = release_lock(numbers.shape[0] > EXPONENTIALS_WORTH_A_SWITCH);
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
    {"weighted_sums", (PyCFunction)(void (*)(void))chains_weighted_sums, METH_FASTCALL,
     weighted_sums_doc},
    {"decide", (PyCFunction)(void (*)(void))chains_decide, METH_FASTCALL, decide_doc},
    {"weighted_sums_many", (PyCFunction)(void (*)(void))chains_weighted_sums_many, METH_FASTCALL,
     weighted_sums_many_doc},
    {"many", (PyCFunction)(void (*)(void))chains_many, METH_FASTCALL, many_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef functions[] = {
    {"logistic", chains_logistic, METH_O, logistic_doc},
    {"encode", (PyCFunction)(void (*)(void))encode, METH_FASTCALL, encode_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"columns", get_columns, NULL, "The number of columns of a row.", NULL},
    {"features", get_features, NULL, "The number of features made from a row.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(chains_doc,
             "Chains(column, length, kind, first, second, *, columns)\n--\n\n"
             "Chains of steps, checked and copied: for each feature its column (int32) and the\n"
             "number of its steps (int32); for each step of all chains in turn its kind (uint8)\n"
             "and two operands (float64). Immutable: safe to use from several threads.\n"
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
    .name = "registry.engines.chain_kernel.Chains",
    .basicsize = sizeof(Chains),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int execute(PyObject *module)
{
    return add_type(module, &spec);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "registry.engines.chain_kernel",
    .m_doc = "Makes the features of a row from its columns, and adds them up.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_chain_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
