/*
 * registry.engines.boosting_kernel: sums boosted trees as the libraries that trained them do.
 *
 * The sums are equal to the last bit, and so are the predictions where this C library's expf and
 * exp are those that the library calls. XGBoost adds floats to its margin in the order of the trees
 * (`cpu_predictor.cc`), LightGBM (`gbdt_prediction.cpp`) and scikit-learn add doubles.
 *
 * The libraries compare with < or <=, floats or doubles, and treat zeros, missing values and
 * categories each in its own way. All that is in how the keys of a row are made: a key is the number
 * of thresholds of its feature that are below the value, or the place of a category, and every walk
 * compares keys.
 */

#include "boosting_links.h"
#include "tree_model.h"
#include "tree_packing.h"

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
    TreeModel model;
    Column *columns;
    double *table;
    uint32_t *sets;
    double *start; /* of the sum of each output */
    size_t set_words;
    Link link;
    bool casts;        /* the values of a row become floats, and may not be infinite then */
    bool single;       /* the sums are floats */
    bool tiny_is_zero; /* numbers up to TINY are zero */
    bool allows_missing;
    bool has_sets;
} BoostedTrees;

/* The words of a set: a bit for each category, one for any other value, and one for missing. */
static size_t words_of_set(const Column *column)
{
    return ((size_t)column->length + 2 + 31) / 32;
}

static const char *read_split(const Source *source, Py_ssize_t node, int32_t feature, Split *split)
{
    const BoostedTrees *self = source->kernel;
    const Column *column = self->columns + feature;
    const uint32_t threshold = (uint32_t)load_int32(source->threshold, node);

    split->threshold = threshold;
    split->by_set = column->kind >= FIRST_CATEGORY;
    if (split->by_set) {
        size_t words = words_of_set(column);
        if (words > self->set_words || threshold > self->set_words - words) {
            return "its set of categories is out of range";
        }
    } else if (threshold >= (uint32_t)column->length) {
        return "its threshold is not in the table of its column";
    }
    return NULL;
}

/* ---- Keys ---------------------------------------------------------------------------------- */

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
static uint32_t category_key(const Column *column, double x, bool *accepted)
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
static bool make_keys(const BoostedTrees *self, const char *row, bool are_doubles, uint32_t *keys,
                      bool *missing)
{
    bool none = false, accepted = true;

    for (Py_ssize_t place = 0; place < self->model.trees.features; place++) {
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
static bool accepts(const BoostedTrees *self, const char *row, bool are_doubles)
{
    bool accepted = true;

    for (Py_ssize_t feature = 0; self->casts && feature < self->model.features; feature++) {
        float x = are_doubles ? (float)load_double(row, feature) : load_float(row, feature);
        accepted &= fabsf(x) <= FLT_MAX || (x != x && self->allows_missing);
    }
    return accepted;
}

/* ---- Sums ---------------------------------------------------------------------------------- */

#define SUM(name, narrow, missing, sets, sums_)                                                    \
    static void name(const Trees *trees, const uint32_t *keys, int count, double *sums)            \
    {                                                                                              \
        sum_rows(trees, keys, count, sums, (Form){narrow, missing, sets, sums_});                  \
    }

typedef void Sum(const Trees *trees, const uint32_t *keys, int count, double *sums);

SUM(narrow_double, true, false, false, DOUBLE)
SUM(narrow_double_missing, true, true, false, DOUBLE)
SUM(narrow_double_sets, true, true, true, DOUBLE)
SUM(narrow_single, true, false, false, SINGLE)
SUM(narrow_single_missing, true, true, false, SINGLE)
SUM(narrow_single_sets, true, true, true, SINGLE)
SUM(wide_double, false, false, false, DOUBLE)
SUM(wide_double_missing, false, true, false, DOUBLE)
SUM(wide_double_sets, false, true, true, DOUBLE)
SUM(wide_single, false, false, false, SINGLE)
SUM(wide_single_missing, false, true, false, SINGLE)
SUM(wide_single_sets, false, true, true, SINGLE)

static Sum *const SUMS[2][2][3] = {
    {{wide_double, wide_double_missing, wide_double_sets},
     {wide_single, wide_single_missing, wide_single_sets}},
    {{narrow_double, narrow_double_missing, narrow_double_sets},
     {narrow_single, narrow_single_missing, narrow_single_sets}},
};

static Py_ssize_t evaluate_rows(const TreeModel *model, const char *rows, bool are_doubles,
                                Py_ssize_t count, uint32_t *keys, double *out)
{
    const BoostedTrees *self = (const BoostedTrees *)model;
    const Trees *trees = &model->trees;
    const size_t item_size = are_doubles ? sizeof(double) : sizeof(float);
    const Py_ssize_t width = model->features * (Py_ssize_t)item_size;
    const int block = block_rows(trees);

    for (Py_ssize_t first = 0; first < count; first += block) {
        int lanes = count - first < block ? (int)(count - first) : block;
        double *sums = out + first * trees->outputs;
        bool missing = false;

        for (int row = 0; row < lanes; row++) {
            const char *values = rows + (first + row) * width;
            uint32_t *lane = keys + row / LANES * LANES * trees->features + row % LANES;
            if (!accepts(self, values, are_doubles) ||
                !make_keys(self, values, are_doubles, lane, &missing)) {
                return first + row;
            }
            memcpy(sums + row * trees->outputs, self->start,
                   (size_t)trees->outputs * sizeof *sums);
        }
        clear_padding(trees, keys, lanes);
        SUMS[trees->narrow][self->single][self->has_sets ? 2 : missing](trees, keys, lanes, sums);
        for (int row = 0; row < lanes; row++) {
            link_sums(&self->link, sums + row * trees->outputs, trees->outputs);
        }
    }
    return -1;
}

/* ---- Python -------------------------------------------------------------------------------- */

enum {
    COUNTS, LEFT, RIGHT, COLUMN, SPLIT, MISSING_LEFT, VALUES, OUTPUT,
    COLUMN_FEATURE, COLUMN_KIND, COLUMN_LENGTH, TABLE, SETS, START, ARRAYS,
};

static const Array ARRAY[ARRAYS] = {
    [COUNTS] = {"node_counts", "lq", 8, 1, false},
    [LEFT] = {"children_left", "il", 4, 1, false},
    [RIGHT] = {"children_right", "il", 4, 1, false},
    [COLUMN] = {"column", "il", 4, 1, false},
    [SPLIT] = {"split", "IL", 4, 1, false},
    [MISSING_LEFT] = {"missing_go_to_left", "B", 1, 1, false},
    [VALUES] = {"leaf_values", "d", 8, 1, false},
    [OUTPUT] = {"tree_output", "il", 4, 1, false},
    [COLUMN_FEATURE] = {"column_feature", "il", 4, 1, false},
    [COLUMN_KIND] = {"column_kind", "B", 1, 1, false},
    [COLUMN_LENGTH] = {"column_length", "il", 4, 1, false},
    [TABLE] = {"table", "d", 8, 1, false},
    [SETS] = {"sets", "IL", 4, 1, false},
    [START] = {"start", "d", 8, 1, false},
};

static bool check_shapes(const Py_buffer *views, Py_ssize_t features)
{
    const Py_ssize_t nodes = views[LEFT].shape[0], trees = views[COUNTS].shape[0];
    const Py_ssize_t columns = views[COLUMN_FEATURE].shape[0];

    for (int array = RIGHT; array <= MISSING_LEFT; array++) {
        if (views[array].shape[0] != nodes) {
            PyErr_Format(PyExc_ValueError, "%s has %zd items, children_left has %zd",
                         ARRAY[array].name, views[array].shape[0], nodes);
            return false;
        }
    }
    if (trees < 1 || nodes > INT32_MAX - trees - 1) {
        PyErr_Format(PyExc_ValueError, "%zd trees of %zd nodes", trees, nodes);
    } else if (features < 1 || features > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "n_features is %zd", features);
    } else if (columns < 1 || columns > INT32_MAX || views[COLUMN_KIND].shape[0] != columns ||
               views[COLUMN_LENGTH].shape[0] != columns) {
        PyErr_SetString(PyExc_ValueError, "the descriptions of the columns differ in length");
    } else if (views[OUTPUT].shape[0] != trees || views[VALUES].shape[0] > nodes) {
        PyErr_SetString(PyExc_ValueError, "tree_output or leaf_values do not fit the trees");
    } else if (views[START].shape[0] < 1) {
        PyErr_SetString(PyExc_ValueError, "there is no output");
    } else {
        return true;
    }
    return false;
}

/* A copy of an array, with room for one item at least; NULL with an exception set. */
static void *copied(const Py_buffer *view)
{
    void *copy = calloc(1, view->len > 0 ? (size_t)view->len : 1);

    if (copy == NULL) {
        PyErr_NoMemory();
    } else if (view->len > 0) {
        memcpy(copy, view->buf, (size_t)view->len);
    }
    return copy;
}

static bool fill_columns(BoostedTrees *self, const Py_buffer *views)
{
    const Py_ssize_t count = views[COLUMN_FEATURE].shape[0];
    Py_ssize_t left = views[TABLE].shape[0];

    self->table = copied(&views[TABLE]);
    self->sets = copied(&views[SETS]);
    self->start = copied(&views[START]);
    self->columns = calloc((size_t)count, sizeof *self->columns);
    if (self->table == NULL || self->sets == NULL || self->start == NULL) {
        return false;
    }
    if (self->columns == NULL) {
        PyErr_NoMemory();
        return false;
    }
    self->set_words = (size_t)views[SETS].shape[0];
    const double *table = self->table;
    for (Py_ssize_t place = 0; place < count; place++) {
        Column *column = self->columns + place;
        column->feature = load_int32(views[COLUMN_FEATURE].buf, place);
        column->kind = ((const unsigned char *)views[COLUMN_KIND].buf)[place];
        column->length = load_int32(views[COLUMN_LENGTH].buf, place);
        column->table = table;
        if (column->feature < 0 || column->feature >= self->model.features ||
            column->kind >= KINDS || column->length < 0 || column->length > left) {
            PyErr_Format(PyExc_ValueError, "column %zd is not valid", place);
            return false;
        }
        self->has_sets |= column->kind >= FIRST_CATEGORY;
        table += column->length;
        left -= column->length;
    }
    if (left != 0) {
        PyErr_Format(PyExc_ValueError, "%zd numbers of the table belong to no column", left);
        return false;
    }
    return true;
}

static bool fill_outputs(Trees *trees, const Py_buffer *view)
{
    for (Py_ssize_t index = 0; index < trees->tree_count; index++) {
        int32_t output = load_int32(view->buf, index);
        if (output < 0 || output >= trees->outputs) {
            PyErr_Format(PyExc_ValueError, "tree %zd has the output %d", index, (int)output);
            return false;
        }
        trees->trees[index].output = output;
    }
    return true;
}

static bool fill(BoostedTrees *self, const Py_buffer *views)
{
    Trees *trees = &self->model.trees;
    const Source source = {
        .left = views[LEFT].buf,
        .right = views[RIGHT].buf,
        .feature = views[COLUMN].buf,
        .threshold = views[SPLIT].buf,
        .missing_left = views[MISSING_LEFT].buf,
        .values = views[VALUES].buf,
        .kernel = self,
        .read_split = read_split,
        .nodes = views[LEFT].shape[0],
        .leaf_count = views[VALUES].shape[0],
        .width = 1,
    };

    trees->tree_count = views[COUNTS].shape[0];
    trees->features = views[COLUMN_FEATURE].shape[0];
    trees->outputs = views[START].shape[0];
    self->model.evaluate_rows = evaluate_rows;
    if (!fill_columns(self, views) || !fill_trees(trees, &source, &views[COUNTS]) ||
        !fill_outputs(trees, &views[OUTPUT])) {
        return false;
    }
    trees->sets = self->sets;
    trees->bytes += (size_t)(views[TABLE].len + views[SETS].len);
    return true;
}

static PyObject *trees_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {
        "node_counts", "children_left", "children_right", "column", "split", "missing_go_to_left",
        "leaf_values", "tree_output", "column_feature", "column_kind", "column_length", "table",
        "sets", "start", "n_features", "link", "scale", "divisor", "casts", "single",
        "tiny_is_zero", "allows_missing", NULL,
    };
    PyObject *objects[ARRAYS];
    Py_buffer views[ARRAYS];
    Py_ssize_t features;
    double scale, divisor;
    int link, casts, single, tiny_is_zero, allows_missing, held;
    BoostedTrees *self = NULL;
    bool done = false;

    if (!PyArg_ParseTupleAndKeywords(
            args, keywords, "OOOOOOOOOOOOOO$niddpppp:BoostedTrees", names, &objects[COUNTS],
            &objects[LEFT], &objects[RIGHT], &objects[COLUMN], &objects[SPLIT],
            &objects[MISSING_LEFT], &objects[VALUES], &objects[OUTPUT], &objects[COLUMN_FEATURE],
            &objects[COLUMN_KIND], &objects[COLUMN_LENGTH], &objects[TABLE], &objects[SETS],
            &objects[START], &features, &link, &scale, &divisor, &casts, &single, &tiny_is_zero,
            &allows_missing)) {
        return NULL;
    }
    if (link < 0 || link >= LINKS || !isfinite(scale) || !(divisor >= 1.0)) {
        return PyErr_Format(PyExc_ValueError, "the link, scale or divisor is not valid");
    }
    held = get_buffers(objects, ARRAY, ARRAYS, views);
    if (held == ARRAYS && check_shapes(views, features)) {
        self = allocate_object(type);
    }
    if (self != NULL) {
        self->model.features = features;
        self->link = (Link){.kind = link, .scale = scale, .divisor = divisor};
        self->casts = casts;
        self->single = single;
        self->tiny_is_zero = tiny_is_zero;
        self->allows_missing = allows_missing;
        done = fill(self, views);
    }
    release_buffers(views, held);
    if (!done) {
        Py_XDECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void trees_dealloc(PyObject *object)
{
    BoostedTrees *self = (BoostedTrees *)object;

    free_trees(&self->model.trees);
    free(self->columns);
    free(self->table);
    free(self->sets);
    free(self->start);
    free_object(object);
}

static PyMethodDef methods[] = {
    TREE_MODEL_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    TREE_MODEL_PROPERTIES,
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(trees_doc,
             "BoostedTrees(node_counts, children_left, children_right, column, split,\n"
             "             missing_go_to_left, leaf_values, tree_output, column_feature,\n"
             "             column_kind, column_length, table, sets, start, *, n_features, link,\n"
             "             scale, divisor, casts, single, tiny_is_zero, allows_missing)\n--\n\n"
             "Boosted trees, checked and packed. Immutable: safe to use from several threads.");

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)trees_new},
    {Py_tp_dealloc, (void *)trees_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_doc, (void *)trees_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "registry.engines.boosting_kernel.BoostedTrees",
    .basicsize = sizeof(BoostedTrees),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyDoc_STRVAR(logarithm_doc, "logarithm(number, /)\n--\n\n"
                            "The C library's logf of a number, which becomes a float first.");

static PyObject *logarithm(PyObject *Py_UNUSED(module), PyObject *number)
{
    double x = PyFloat_AsDouble(number);

    return x == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble((double)logf((float)x));
}

static PyMethodDef functions[] = {
    {"logarithm", logarithm, METH_O, logarithm_doc},
    {NULL, NULL, 0, NULL},
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
    .m_name = "registry.engines.boosting_kernel",
    .m_doc = "Sums boosted trees as the libraries that trained them do.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_boosting_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
