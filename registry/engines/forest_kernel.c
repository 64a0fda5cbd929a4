/*
 * registry.engines.forest_kernel: walks decision trees and forests exactly as scikit-learn does.
 *
 * The result is equal to the last bit. scikit-learn 1.9 compares a float32 feature with a float64
 * threshold (`_tree.pyx`, `_apply_dense`), adds the float64 leaf values to zero in the order of the
 * trees and divides by their number (`_forest.py`, `_accumulate_prediction`); a single tree's leaf
 * value is the prediction itself. The same operations in the same order give the same bits.
 */

#include "tree_model.h"
#include "tree_packing.h"

/* Floats are compared as unsigned integers of the same order (`order`). */
#define ORDER_OF_ZERO 0x80000000u

typedef struct {
    TreeModel model;
    bool averaged;
    bool allows_missing;
} PackedTrees;

/* Maps floats other than NaN to unsigned integers of the same order.
 *
 * IEEE 754 numbers of one sign have the order of their bits. -0.0 comes right before 0.0, though
 * they are equal. */
static inline uint32_t order(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* The order of the largest float that is not above `threshold`.
 *
 * Exact for every float x: no float lies between the result t and `threshold`, so x <= threshold
 * and x <= t are equivalent. That includes thresholds beyond the range of float (t is
 * FLT_MAX or -inf) and those nearer to zero than its smallest step. Stepping down is done on the
 * integers, which no rounding or flush-to-zero mode of the processor can disturb. Of the two zeros
 * the upper one is the threshold: neither zero exceeds it, and nothing lies between them. */
static uint32_t order_of_threshold(double threshold)
{
    float rounded = (float)threshold;
    uint32_t place = order(rounded) - ((double)rounded > threshold);
    return place == ORDER_OF_ZERO - 1 ? ORDER_OF_ZERO : place;
}

static const char *read_split(const Source *source, Py_ssize_t node, int32_t feature, Split *split)
{
    double threshold = load_double(source->threshold, node);

    (void)feature;
    if (threshold != threshold) {
        return "its threshold is NaN";
    }
    split->threshold = order_of_threshold(threshold);
    return NULL;
}

/* ---- Walking ------------------------------------------------------------------------------- */

SUM(narrow_vectors, true, false, false, VECTORS)
SUM(narrow_vectors_missing, true, true, false, VECTORS)
SUM(narrow_double, true, false, false, DOUBLE)
SUM(narrow_double_missing, true, true, false, DOUBLE)
SUM(wide_vectors, false, false, false, VECTORS)
SUM(wide_vectors_missing, false, true, false, VECTORS)
SUM(wide_double, false, false, false, DOUBLE)
SUM(wide_double_missing, false, true, false, DOUBLE)

/* By `narrow`, whether there is one output, and whether a key may be MISSING. */
static Sum *const SUMS[2][2][2] = {
    {{wide_vectors, wide_vectors_missing}, {wide_double, wide_double_missing}},
    {{narrow_vectors, narrow_vectors_missing}, {narrow_double, narrow_double_missing}},
};

/* The keys of one row, cast to float as scikit-learn's validation does, into the lane that begins
 * at *keys. Returns whether all can be used; `missing` becomes true if there is a NaN. */
static bool make_keys(const PackedTrees *self, const char *row, bool are_doubles, uint32_t *keys,
                      bool *missing)
{
    bool infinite = false, none = false;

    for (Py_ssize_t feature = 0; feature < self->model.features; feature++) {
        float x = are_doubles ? (float)load_double(row, feature) : load_float(row, feature);
        infinite |= fabsf(x) > FLT_MAX;
        none |= x != x;
        keys[feature * LANES] = x != x ? MISSING : order(x);
    }
    *missing |= none;
    return !infinite && (self->allows_missing || !none);
}

static Py_ssize_t evaluate_rows(const TreeModel *model, const char *rows, bool are_doubles,
                                Py_ssize_t count, uint32_t *keys, double *out)
{
    const PackedTrees *self = (const PackedTrees *)model;
    const Trees *trees = &model->trees;
    const size_t item_size = are_doubles ? sizeof(double) : sizeof(float);
    const Py_ssize_t width = model->features * (Py_ssize_t)item_size;
    const int block = block_rows(trees);
    /* A forest's sums begin at zero as scikit-learn's do. A single tree's value must stay as it is:
     * adding it to -0.0 changes no number, not even -0.0. */
    const double start = self->averaged ? 0.0 : -0.0;

    for (Py_ssize_t item = 0; item < count * trees->outputs; item++) {
        out[item] = start;
    }
    for (Py_ssize_t first = 0; first < count; first += block) {
        int lanes = count - first < block ? (int)(count - first) : block;
        double *sums = out + first * trees->outputs;
        bool missing = false;

        for (int row = 0; row < lanes; row++) {
            uint32_t *lane = keys + row / LANES * LANES * trees->features + row % LANES;
            if (!make_keys(self, rows + (first + row) * width, are_doubles, lane, &missing)) {
                return first + row;
            }
        }
        clear_padding(trees, keys, lanes);
        SUMS[trees->narrow][trees->outputs == 1][missing](trees, keys, lanes, sums);
        if (self->averaged) {
            for (Py_ssize_t item = 0; item < lanes * trees->outputs; item++) {
                sums[item] /= (double)trees->tree_count;
            }
        }
    }
    return -1;
}

/* ---- Python -------------------------------------------------------------------------------- */

enum { COUNTS, LEFT, RIGHT, FEATURE, THRESHOLD, MISSING_LEFT, VALUES, ARRAYS };

static const Array ARRAY[ARRAYS] = {
    [COUNTS] = {"node_counts", "lq", 8, 1, false},
    [LEFT] = {"children_left", "il", 4, 1, false},
    [RIGHT] = {"children_right", "il", 4, 1, false},
    [FEATURE] = {"feature", "il", 4, 1, false},
    [THRESHOLD] = {"threshold", "d", 8, 1, false},
    [MISSING_LEFT] = {"missing_go_to_left", "B", 1, 1, false},
    [VALUES] = {"leaf_values", "d", 8, 2, false},
};

static bool check_shapes(const Py_buffer *views, Py_ssize_t features, bool averaged)
{
    Py_ssize_t nodes = views[LEFT].shape[0], trees = views[COUNTS].shape[0];

    for (int array = RIGHT; array <= MISSING_LEFT; array++) {
        if (views[array].shape[0] != nodes) {
            PyErr_Format(PyExc_ValueError, "%s has %zd items, children_left has %zd",
                         ARRAY[array].name, views[array].shape[0], nodes);
            return false;
        }
    }
    if (trees < 1) {
        PyErr_SetString(PyExc_ValueError, "there is no tree");
    } else if (!averaged && trees != 1) {
        PyErr_Format(PyExc_ValueError, "%zd trees that are not averaged", trees);
    } else if (nodes > INT32_MAX - trees - 1) {
        PyErr_Format(PyExc_ValueError, "%zd nodes are too many", nodes);
    } else if (features < 1 || features > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "n_features is %zd", features);
    } else if (views[VALUES].shape[1] < 1 || views[VALUES].shape[0] > nodes) {
        PyErr_Format(PyExc_ValueError, "leaf_values are %zd x %zd, there are %zd nodes",
                     views[VALUES].shape[0], views[VALUES].shape[1], nodes);
    } else {
        return true;
    }
    return false;
}

static PyObject *trees_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"node_counts",        "children_left", "children_right",
                            "feature",            "threshold",     "missing_go_to_left",
                            "leaf_values",        "n_features",    "averaged",
                            "allows_missing",     "vectors",       NULL};
    PyObject *objects[ARRAYS];
    Py_buffer views[ARRAYS];
    Py_ssize_t features;
    int averaged, allows_missing, vectors, held;
    PackedTrees *self = NULL;
    bool done = false;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOOOO$nppp:PackedTrees", names,
                                     &objects[COUNTS], &objects[LEFT], &objects[RIGHT],
                                     &objects[FEATURE], &objects[THRESHOLD],
                                     &objects[MISSING_LEFT], &objects[VALUES], &features,
                                     &averaged, &allows_missing, &vectors)) {
        return NULL;
    }
    held = get_buffers(objects, ARRAY, ARRAYS, views);
    if (held == ARRAYS && check_shapes(views, features, averaged)) {
        self = allocate_object(type);
    }
    if (self != NULL) {
        Trees *trees = &self->model.trees;
        const Source source = {
            .left = views[LEFT].buf,
            .right = views[RIGHT].buf,
            .feature = views[FEATURE].buf,
            .threshold = views[THRESHOLD].buf,
            .missing_left = views[MISSING_LEFT].buf,
            .values = views[VALUES].buf,
            .read_split = read_split,
            .nodes = views[LEFT].shape[0],
            .leaf_count = views[VALUES].shape[0],
            .width = views[VALUES].shape[1],
        };
        trees->tree_count = views[COUNTS].shape[0];
        trees->features = self->model.features = features;
        trees->outputs = source.width;
        self->model.evaluate_rows = evaluate_rows;
        self->averaged = averaged;
        self->allows_missing = allows_missing;
        done = fill_trees(trees, &source, &views[COUNTS]);
        if (done && vectors && !make_upper_levels(trees)) {
            PyErr_NoMemory();
            done = false;
        }
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
    free_trees(&((TreeModel *)object)->trees);
    free_object(object);
}

static PyObject *get_allows_missing(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((PackedTrees *)self)->allows_missing);
}

static PyMethodDef methods[] = {
    TREE_MODEL_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    TREE_MODEL_PROPERTIES,
    {"allows_missing", get_allows_missing, NULL, "Whether rows may hold NaN.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(trees_doc,
             "PackedTrees(node_counts, children_left, children_right, feature, threshold,\n"
             "            missing_go_to_left, leaf_values, *, n_features, averaged,\n"
             "            allows_missing, vectors)\n--\n\n"
             "Decision trees, checked and packed. Immutable: safe to use from several threads.\n"
             "vectors: whether batches use AVX2 where the processor has it; predictions are the\n"
             "same.");

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)trees_new},
    {Py_tp_dealloc, (void *)trees_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_doc, (void *)trees_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "registry.engines.forest_kernel.PackedTrees",
    .basicsize = sizeof(PackedTrees),
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
    .m_name = "registry.engines.forest_kernel",
    .m_doc = "Walks decision trees and forests exactly as scikit-learn does.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_forest_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
