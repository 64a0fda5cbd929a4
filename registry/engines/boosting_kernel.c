/*
 * registry.engines.boosting_kernel: sums boosted trees as the libraries that trained them do.
 *
 * The sums are equal to the last bit, and so are the predictions where this C library's expf and
 * exp are those that the library calls. XGBoost adds floats to its margin in the order of the trees
 * (`cpu_predictor.cc`), LightGBM (`gbdt_prediction.cpp`) and scikit-learn add doubles.
 */

#include "boosting_keys.h"
#include "boosting_links.h"
#include "mask_making.h"
#include "tree_model.h"
#include "tree_packing.h"

typedef struct {
    TreeModel model;
    Columns columns;
    LeafMasks masks;
    uint32_t *sets;
    double *start; /* of the sum of each output */
    size_t set_words;
    Link link;
    bool single; /* the sums are floats */
} BoostedTrees;

/* The words of a set: a bit for each key. */
static size_t words_of_set(const Column *column)
{
    return ((size_t)keys_of(column) + 31) / 32;
}

static const char *read_split(const Source *source, Py_ssize_t node, int32_t feature, Split *split)
{
    const BoostedTrees *self = source->kernel;
    const Column *column = self->columns.columns + feature;
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

/* ---- Sums ---------------------------------------------------------------------------------- */

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

/* The leaf values of `count` rows, whose first key is *keys, are added to their sums. */
static void sum(const BoostedTrees *self, uint32_t *keys, int count, bool missing, double *sums)
{
    const Trees *trees = &self->model.trees;

    if (self->masks.rows == NULL) {
        const int kind = self->columns.has_categories ? 2 : missing;
        clear_padding(trees, keys, count);
        SUMS[trees->narrow][self->single][kind](trees, keys, count, sums);
        return;
    }
    for (int row = 0; row < count; row++) {
        const uint32_t *lane = keys + row / LANES * LANES * trees->features + row % LANES;
        if (self->single) {
            sum_masked(&self->masks, trees, lane, sums + row * trees->outputs, SINGLE);
        } else {
            sum_masked(&self->masks, trees, lane, sums + row * trees->outputs, DOUBLE);
        }
    }
}

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
            if (!accepts(&self->columns, values, are_doubles) ||
                !make_keys(&self->columns, values, are_doubles, lane, &missing)) {
                return first + row;
            }
            memcpy(sums + row * trees->outputs, self->start,
                   (size_t)trees->outputs * sizeof *sums);
        }
        sum(self, keys, lanes, missing, sums);
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
    self->sets = copied(&views[SETS]);
    self->start = copied(&views[START]);
    if (self->sets == NULL || self->start == NULL) {
        return false;
    }
    self->set_words = (size_t)views[SETS].shape[0];
    trees->sets = self->sets;
    if (!fill_columns(&self->columns, &views[COLUMN_FEATURE], &views[COLUMN_KIND],
                      &views[COLUMN_LENGTH], &views[TABLE]) ||
        !fill_trees(trees, &source, &views[COUNTS]) || !fill_outputs(trees, &views[OUTPUT])) {
        return false;
    }
    trees->bytes += (size_t)(views[TABLE].len + views[SETS].len);
    return make_masks(&self->masks, trees, &self->columns);
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
        self->columns = (Columns){
            .features = features,
            .casts = casts,
            .tiny_is_zero = tiny_is_zero,
            .allows_missing = allows_missing,
        };
        self->single = single;
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
    free_columns(&self->columns);
    free_masks(&self->masks);
    free(self->sets);
    free(self->start);
    free_object(object);
}

static PyMethodDef methods[] = {
    TREE_MODEL_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyObject *get_masked(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((BoostedTrees *)self)->masks.rows != NULL);
}

static PyGetSetDef properties[] = {
    TREE_MODEL_PROPERTIES,
    {"masked", get_masked, NULL, "Whether leaves are found by masks; else trees are walked.", NULL},
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
