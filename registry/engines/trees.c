/*
 * registry.engines.trees: walks decision trees and forests exactly as scikit-learn does.
 *
 * A compiled module in CPython's limited API: one build serves every Python from 3.11 on. It knows
 * numpy only through the buffer protocol (PEP 3118), and it keeps no state outside its objects.
 *
 * Two things decide the shape of this file.
 *
 * Equality to the last bit. scikit-learn 1.9 compares a float32 feature with a float64 threshold
 * (`_tree.pyx`, `_apply_dense`), adds the float64 leaf values to zero in the order of the trees and
 * divides by their number (`_forest.py`, `_accumulate_prediction`); a single tree's leaf value is
 * the answer as it stands. The same operations in the same order give the same bits.
 *
 * Distrust. Whoever makes the arrays may be an attacker, so every one of them is checked while it
 * is packed, once; afterwards only the packed copy is used. Each number is read from its array a
 * single time, because another thread could write to the array in between.
 */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Wider intermediate results, or a compiler that may reorder sums, would change last bits. The
 * module is optional: refusing to compile is better than answers that are nearly right. */
#if FLT_EVAL_METHOD != 0
#error "float and double expressions must be evaluated in their own types"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math breaks the order of sums and the meaning of NaN"
#endif

enum {
    CACHE_LINE = 64,
    /* Rows that walk one tree side by side. A step waits for the one before it, but not for those
     * of other rows: this many fill the processor, and their places still fit in its registers. */
    LANES = 8,
    /* All rows of a block walk one tree before the next, so a tree comes into the nearest cache once
     * for a block. The more rows the better, while their keys (13 features: 53 kB) stay near too. */
    BLOCK_ROWS = 1024,
    BLOCK_KEYS = 65536,
    /* Fewer rows than this do not pay for that: each walks this many trees side by side. They are
     * more than the lanes of rows, as the nodes of so many trees are waited for much longer. */
    FEW_ROWS = 16,
    GROUP_TREES = 128,
    /* Beyond this many steps most walks of a deep tree are over; from there on, one look at all of
     * them after each further spell of steps saves the rest. */
    FIRST_SPELL = 16,
    SPELL = 4,
    /* Real trees are tens of levels deep. The limit bounds what one row of a hostile tree costs. */
    MAX_DEPTH = 10000,
    /* Below about 50 microseconds of work the lock is kept: to give it up and win it back from
     * busy threads costs up to a switch interval, a hundred times the work itself. */
    STEPS_WORTH_A_SWITCH = 32768,
};

#define LEAF (-1)

/* Floats are compared as unsigned integers of the same order (`order`), which takes fewer
 * instructions. No number that a row may hold is above infinity's; a missing one is above all. */
#define ORDER_OF_ZERO 0x80000000u
#define ORDER_OF_INFINITY 0xff800000u
#define MISSING 0xffffffffu

/* The right child lies behind the left one, so a step is
 *     next = left + 1 - (key[feature] <= threshold)
 * without a branch to mispredict. A leaf has a threshold that no number exceeds and `left` pointing
 * at itself: rows that have arrived stay, so every row can take as many steps as the tree is deep.
 *
 * Nodes of a forest are all of one form. The narrow one is half as large, so that a tree of 4,000
 * nodes fits in the nearest cache; the wide one takes what the narrow one has no room for. */
typedef struct {
    uint32_t threshold; /* leaf: ORDER_OF_INFINITY + which of the tree's leaves it is */
    uint32_t packed;    /* from the lowest bit: 1 missing goes left, 2 unused, 8 feature, 21 left.
                         * So the bits of `feature`, where they stand, are feature * LANES. */
} NarrowNode;

enum {
    NARROW_FEATURES = 256,
    NARROW_NODES = 1 << 21, /* of one tree */
    NARROW_FEATURE = 0x7f8,
    NARROW_LEFT_SHIFT = 11,
};
_Static_assert(LANES == 8, "the layout of NarrowNode");

typedef struct {
    uint32_t threshold;
    uint32_t left;    /* counted from the tree's root, as in the narrow form */
    uint32_t feature; /* 0 for a leaf, which has to look somewhere */
    uint32_t leaf;    /* from the lowest bit: 1 missing goes left, 31 which of the leaves it is */
} WideNode;

typedef struct {
    Py_ssize_t root; /* number of its first node */
    Py_ssize_t leaf; /* row of its first leaf's values */
    int32_t depth;   /* steps from the root to the deepest leaf */
} Tree;

typedef struct {
    PyObject_HEAD
    void *memory; /* what holds the nodes, before alignment */
    char *nodes;  /* of the form that `narrow` says */
    Tree *trees;
    double *values; /* leaves x outputs */
    size_t bytes;
    Py_ssize_t tree_count;
    Py_ssize_t features;
    Py_ssize_t outputs;
    Py_ssize_t total_depth;
    int32_t depth;
    bool narrow;
    bool averaged;
    bool allows_missing;
} Trees;

/* ---- Numbers out of other people's memory ------------------------------------------------- */

/* A buffer may be misaligned (a slice of bytes, say); memcpy compiles to the plain load. */
static inline int32_t load_int32(const char *items, Py_ssize_t index)
{
    int32_t item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline int64_t load_int64(const char *items, Py_ssize_t index)
{
    int64_t item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline double load_double(const char *items, Py_ssize_t index)
{
    double item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline float load_float(const char *items, Py_ssize_t index)
{
    float item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

/* The unsigned integer that stands among others as `number`, not NaN, stands among floats.
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
 * and x <= t are the same question. That includes thresholds beyond the range of float (t is
 * FLT_MAX or -inf) and those nearer to zero than its smallest step. Stepping down is done on the
 * integers, which no rounding or flush-to-zero mode of the processor can disturb. Of the two zeros
 * the upper one is the threshold: neither zero exceeds it, and nothing lies between them. */
static uint32_t order_of_threshold(double threshold)
{
    float rounded = (float)threshold;
    uint32_t place = order(rounded) - ((double)rounded > threshold);
    return place == ORDER_OF_ZERO - 1 ? ORDER_OF_ZERO : place;
}

/* ---- Packing ------------------------------------------------------------------------------- */

typedef struct {
    const char *left, *right, *feature, *threshold, *missing_left;
    Py_ssize_t features;
    Py_ssize_t leaf_count; /* rows of leaf values that were given */
} Source;

/* Memory for one tree at a time, as large as the largest needs. */
typedef struct {
    int32_t *queue; /* nodes in the order in which they are packed */
    int32_t *left;  /* each node's left child as it was read, the one time */
    int32_t *rank;  /* how many leaves stand before a node */
    unsigned char *seen;
} Scratch;

typedef struct {
    const char *what; /* NULL: nothing is wrong */
    Py_ssize_t tree, node;
} Fault;

static int32_t fault(Fault *found, const char *what, Py_ssize_t node)
{
    found->what = what;
    found->node = node;
    return 0;
}

static size_t node_size(const Trees *self)
{
    return self->narrow ? sizeof(NarrowNode) : sizeof(WideNode);
}

static void store_leaf(const Trees *self, Py_ssize_t root, int32_t at, int32_t leaf)
{
    if (self->narrow) {
        ((NarrowNode *)self->nodes)[root + at] = (NarrowNode){
            .threshold = ORDER_OF_INFINITY + (uint32_t)leaf,
            .packed = (uint32_t)at << NARROW_LEFT_SHIFT | 1,
        };
    } else {
        ((WideNode *)self->nodes)[root + at] = (WideNode){
            .threshold = ORDER_OF_INFINITY,
            .left = (uint32_t)at,
            .leaf = (uint32_t)leaf << 1 | 1,
        };
    }
}

static void store_inner(const Trees *self, Py_ssize_t root, int32_t at, uint32_t threshold,
                        int32_t left, int32_t feature, bool missing_left)
{
    if (self->narrow) {
        ((NarrowNode *)self->nodes)[root + at] = (NarrowNode){
            .threshold = threshold,
            .packed = (uint32_t)left << NARROW_LEFT_SHIFT | (uint32_t)feature * LANES |
                      (uint32_t)missing_left,
        };
    } else {
        ((WideNode *)self->nodes)[root + at] = (WideNode){
            .threshold = threshold,
            .left = (uint32_t)left,
            .feature = (uint32_t)feature,
            .leaf = missing_left,
        };
    }
}

/* Check a tree of `count` nodes that begins at `first` in the source, and pack it breadth first
 * from its root on. Breadth first lays siblings side by side and the busy upper levels together.
 * Returns how many leaves it has, or 0 with `found` filled. */
static int32_t pack_tree(const Trees *self, const Source *source, Py_ssize_t first, int32_t count,
                         Tree *tree, const Scratch *scratch, Fault *found)
{
    int32_t tail = 1, level_end = 1, own_leaves = 0;

    for (int32_t old = 0; old < count; old++) {
        int32_t left = load_int32(source->left, first + old);
        scratch->left[old] = left;
        scratch->rank[old] = own_leaves;
        scratch->seen[old] = 0;
        own_leaves += left == LEAF;
    }
    if (own_leaves > source->leaf_count - tree->leaf) {
        return fault(found, "there are more leaves than rows of leaf values", -1);
    }
    tree->depth = 0;
    scratch->queue[0] = 0;
    for (int32_t head = 0; head < tail; head++) {
        int32_t old = scratch->queue[head];
        int32_t left = scratch->left[old];
        int32_t right = load_int32(source->right, first + old);

        if (head == level_end) {
            if (++tree->depth > MAX_DEPTH) {
                return fault(found, "it lies deeper than 10000 levels", old);
            }
            level_end = tail;
        }
        if (left == LEAF) {
            if (right != LEAF) {
                return fault(found, "it has one child", old);
            }
            store_leaf(self, tree->root, head, scratch->rank[old]);
            continue;
        }
        /* A child that stands behind its parent also rules out every cycle. */
        if (left <= old || left >= count || right <= old || right >= count) {
            return fault(found, "a child is out of range or not behind its parent", old);
        }
        if (left == right || scratch->seen[left] || scratch->seen[right]) {
            return fault(found, "a child of it has two parents", old);
        }
        scratch->seen[left] = scratch->seen[right] = 1;
        scratch->queue[tail] = left; /* in range: each node but the first is queued once */
        scratch->queue[tail + 1] = right;

        int32_t feature = load_int32(source->feature, first + old);
        double threshold = load_double(source->threshold, first + old);
        unsigned char missing_left = (unsigned char)source->missing_left[first + old];
        if (feature < 0 || feature >= source->features) {
            return fault(found, "its feature is out of range", old);
        }
        if (threshold != threshold) {
            return fault(found, "its threshold is NaN", old);
        }
        if (missing_left > 1) {
            return fault(found, "missing_go_to_left is neither 0 nor 1", old);
        }
        store_inner(self, tree->root, head, order_of_threshold(threshold), tail, feature,
                    missing_left);
        tail += 2;
    }
    if (tail != count) {
        return fault(found, "nodes of it have no parent", -1);
    }
    return own_leaves;
}

/* Fills the object's nodes and trees. Needs no interpreter: loading a large forest does not hold
 * up the threads that predict. */
static bool pack(Trees *self, const Source *source, const int32_t *counts, const Scratch *scratch,
                 Fault *found)
{
    Py_ssize_t first = 0, leaves = 0;

    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        Tree *tree = self->trees + index;
        /* One node's room before each root: pairs of siblings then start at even places and never
         * straddle two cache lines. The room is taken from the counts, each of them odd. */
        tree->root = first + index + 1;
        tree->leaf = leaves;
        found->tree = index;
        if (counts[index] % 2 == 0) {
            fault(found, "its number of nodes is even", -1);
            return false;
        }
        int32_t own_leaves = pack_tree(self, source, first, counts[index], tree, scratch, found);
        if (own_leaves == 0) {
            return false;
        }
        self->total_depth += tree->depth;
        self->depth = tree->depth > self->depth ? tree->depth : self->depth;
        first += counts[index];
        leaves += own_leaves;
    }
    found->tree = -1;
    if (leaves != source->leaf_count) {
        fault(found, "there are fewer leaves than rows of leaf values", -1);
        return false;
    }
    for (Py_ssize_t item = 0; item < leaves * self->outputs; item++) {
        if (!isfinite(self->values[item])) {
            fault(found, "a leaf value is not finite", -1);
            return false;
        }
    }
    return true;
}

/* ---- Walking ------------------------------------------------------------------------------- */

/* What follows is compiled four times: `narrow` and `missing` are constants in each copy. Rows
 * without a missing value, nearly all, do not pay for asking. */
#ifdef __GNUC__
#define COPIED static inline __attribute__((always_inline))
#else
#define COPIED static inline
#endif

typedef struct {
    uint32_t threshold, left, missing_left;
    size_t column; /* where the feature's keys begin in those of LANES rows */
} Node;

COPIED Node read_node(const void *tree, uint32_t at, const bool narrow)
{
    if (narrow) {
        const NarrowNode *node = (const NarrowNode *)tree + at;
        return (Node){
            .threshold = node->threshold,
            .left = node->packed >> NARROW_LEFT_SHIFT,
            .missing_left = node->packed & 1,
            .column = node->packed & NARROW_FEATURE,
        };
    }
    const WideNode *node = (const WideNode *)tree + at;
    return (Node){
        .threshold = node->threshold,
        .left = node->left,
        .missing_left = node->leaf & 1,
        .column = (size_t)node->feature * LANES,
    };
}

COPIED uint32_t read_leaf(const void *tree, uint32_t at, const bool narrow)
{
    return narrow ? ((const NarrowNode *)tree)[at].threshold - ORDER_OF_INFINITY
                  : ((const WideNode *)tree)[at].leaf >> 1;
}

/* Where the row whose first key is *keys goes from node `at`. */
COPIED uint32_t next_node(const void *tree, uint32_t at, const uint32_t *keys, const bool narrow,
                          const bool missing)
{
    const Node node = read_node(tree, at, narrow);
    const uint32_t key = keys[node.column];
    uint32_t goes_left = key <= node.threshold;

    if (missing) { /* MISSING is above every threshold; a leaf's `left` is the leaf itself */
        goes_left |= (key == MISSING) & node.missing_left;
    }
    return node.left + 1 - goes_left;
}

COPIED void add_leaf(const Trees *self, const Tree *tree, uint32_t leaf, double *sums)
{
    const double *values = self->values + (tree->leaf + (Py_ssize_t)leaf) * self->outputs;

    sums[0] += values[0];
    for (Py_ssize_t output = 1; output < self->outputs; output++) {
        sums[output] += values[output];
    }
}

COPIED int32_t fewer(int32_t left, int32_t right)
{
    return left < right ? left : right;
}

/* LANES rows, from the root of one tree to their leaves; `keys` are theirs. */
COPIED void walk_rows(const void *tree, int32_t depth, const uint32_t *keys, uint32_t *leaves,
                      const bool narrow, const bool missing)
{
    uint32_t at[LANES] = {0};
    int32_t steps = fewer(depth, FIRST_SPELL);

    for (;;) {
        depth -= steps;
        for (; steps > 0; steps--) {
            for (int lane = 0; lane < LANES; lane++) {
                at[lane] = next_node(tree, at[lane], keys + lane, narrow, missing);
            }
        }
        if (depth == 0) {
            break;
        }
        uint32_t under_way = 0;
        for (int lane = 0; lane < LANES; lane++) {
            under_way |= read_node(tree, at[lane], narrow).left ^ at[lane];
        }
        if (under_way == 0) {
            break;
        }
        steps = fewer(depth, SPELL);
    }
    for (int lane = 0; lane < LANES; lane++) {
        leaves[lane] = read_leaf(tree, at[lane], narrow);
    }
}

/* All rows of a block walk one tree after the other. */
COPIED void sum_block(const Trees *self, const uint32_t *keys, int count, double *sums,
                      const bool narrow, const bool missing)
{
    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        const Tree *tree = self->trees + index;
        const char *nodes = self->nodes + tree->root * (Py_ssize_t)node_size(self);

        const uint32_t *lane_keys = keys;

        for (int first = 0; first < count; first += LANES, lane_keys += LANES * self->features) {
            uint32_t leaves[LANES];
            int lanes = fewer(count - first, LANES);
            walk_rows(nodes, tree->depth, lane_keys, leaves, narrow, missing);
            for (int lane = 0; lane < lanes; lane++) {
                add_leaf(self, tree, leaves[lane], sums + (first + lane) * self->outputs);
            }
        }
    }
}

/* One row walks groups of trees side by side; its sums are still made in the order of trees. */
COPIED void sum_row(const Trees *self, const uint32_t *keys, double *sums, const bool narrow,
                    const bool missing)
{
    const char *nodes[GROUP_TREES];
    uint32_t at[GROUP_TREES];

    for (Py_ssize_t first = 0; first < self->tree_count; first += GROUP_TREES) {
        const Tree *trees = self->trees + first;
        Py_ssize_t rest = self->tree_count - first;
        int lanes = rest < GROUP_TREES ? (int)rest : GROUP_TREES;
        int32_t depth = 0;

        for (int lane = 0; lane < lanes; lane++) {
            nodes[lane] = self->nodes + trees[lane].root * (Py_ssize_t)node_size(self);
            at[lane] = 0;
            depth = trees[lane].depth > depth ? trees[lane].depth : depth;
        }
        for (int32_t steps = fewer(depth, FIRST_SPELL); steps > 0; steps = fewer(depth, SPELL)) {
            uint32_t under_way = 0;
            depth -= steps;
            for (; steps > 0; steps--) {
                for (int lane = 0; lane < lanes; lane++) {
                    at[lane] = next_node(nodes[lane], at[lane], keys, narrow, missing);
                }
            }
            for (int lane = 0; depth > 0 && lane < lanes; lane++) {
                under_way |= read_node(nodes[lane], at[lane], narrow).left ^ at[lane];
            }
            if (under_way == 0) {
                break;
            }
        }
        for (int lane = 0; lane < lanes; lane++) {
            add_leaf(self, trees + lane, read_leaf(nodes[lane], at[lane], narrow), sums);
        }
    }
}

COPIED void sum_rows(const Trees *self, const uint32_t *keys, int count, double *sums,
                     const bool narrow, const bool missing)
{
    if (count >= FEW_ROWS) {
        sum_block(self, keys, count, sums, narrow, missing);
        return;
    }
    for (int row = 0; row < count; row++) {
        const uint32_t *first = keys + row / LANES * LANES * self->features + row % LANES;
        sum_row(self, first, sums + row * self->outputs, narrow, missing);
    }
}

static void sum_narrow(const Trees *self, const uint32_t *keys, int count, double *sums)
{
    sum_rows(self, keys, count, sums, true, false);
}

static void sum_narrow_missing(const Trees *self, const uint32_t *keys, int count, double *sums)
{
    sum_rows(self, keys, count, sums, true, true);
}

static void sum_wide(const Trees *self, const uint32_t *keys, int count, double *sums)
{
    sum_rows(self, keys, count, sums, false, false);
}

static void sum_wide_missing(const Trees *self, const uint32_t *keys, int count, double *sums)
{
    sum_rows(self, keys, count, sums, false, true);
}

/* The keys of one row, cast to float as scikit-learn's validation does, into the lane that begins
 * at *keys. Returns whether all can be used; `missing` becomes true if there is a NaN. */
static bool make_keys(const Trees *self, const char *row, bool doubles, uint32_t *keys,
                      bool *missing)
{
    bool infinite = false, none = false;

    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        float x = doubles ? (float)load_double(row, feature) : load_float(row, feature);
        infinite |= fabsf(x) > FLT_MAX;
        none |= x != x;
        keys[feature * LANES] = x != x ? MISSING : order(x);
    }
    *missing |= none;
    return !infinite && (self->allows_missing || !none);
}

/* Rows of a block: a whole number of LANES. */
static int block_rows(const Trees *self)
{
    Py_ssize_t rows = BLOCK_KEYS / self->features / LANES * LANES;
    return rows < LANES ? LANES : rows < BLOCK_ROWS ? (int)rows : BLOCK_ROWS;
}

/* The answers for all rows into `out` (rows x outputs). Returns -1, or the first row that has a
 * value no tree can be asked with. `keys` has room for those of a block, or of all rows, rounded up
 * to LANES, if they are fewer. */
static Py_ssize_t evaluate_rows(const Trees *self, const char *rows, bool doubles,
                                Py_ssize_t count, uint32_t *keys, double *out)
{
    const Py_ssize_t width = self->features * (Py_ssize_t)(doubles ? sizeof(double) : sizeof(float));
    const int block = block_rows(self);
    /* A forest's sums begin at zero as scikit-learn's do. A single tree's value must come through
     * as it is: only -0.0 leaves every number alone, -0.0 too. */
    const double start = self->averaged ? 0.0 : -0.0;

    for (Py_ssize_t item = 0; item < count * self->outputs; item++) {
        out[item] = start;
    }
    for (Py_ssize_t first = 0; first < count; first += block) {
        int lanes = count - first < block ? (int)(count - first) : block;
        double *sums = out + first * self->outputs;
        bool missing = false;

        for (int row = 0; row < lanes; row++) {
            uint32_t *lane = keys + row / LANES * LANES * self->features + row % LANES;
            if (!make_keys(self, rows + (first + row) * width, doubles, lane, &missing)) {
                return first + row;
            }
        }
        if (self->narrow) {
            (missing ? sum_narrow_missing : sum_narrow)(self, keys, lanes, sums);
        } else {
            (missing ? sum_wide_missing : sum_wide)(self, keys, lanes, sums);
        }
        if (self->averaged) {
            for (Py_ssize_t item = 0; item < lanes * self->outputs; item++) {
                sums[item] /= (double)self->tree_count;
            }
        }
    }
    return -1;
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
               (size != 0 && view->itemsize != size)) {
        PyErr_Format(PyExc_ValueError, "%s has items of format '%s', not '%s' of %zd bytes", name,
                     format, formats, size);
    } else {
        return true;
    }
    PyBuffer_Release(view);
    return false;
}

enum { COUNTS, LEFT, RIGHT, FEATURE, THRESHOLD, MISSING_LEFT, VALUES, ARRAYS };

static const struct {
    const char *name;
    const char *formats;
    Py_ssize_t size;
    int dimensions;
} ARRAY[ARRAYS] = {
    [COUNTS] = {"node_counts", "lq", 8, 1},
    [LEFT] = {"children_left", "il", 4, 1},
    [RIGHT] = {"children_right", "il", 4, 1},
    [FEATURE] = {"feature", "il", 4, 1},
    [THRESHOLD] = {"threshold", "d", 8, 1},
    [MISSING_LEFT] = {"missing_go_to_left", "B", 1, 1},
    [VALUES] = {"leaf_values", "d", 8, 2},
};

/* The counts of all trees as int32, which must add up to `nodes`; NULL with an exception set. */
static int32_t *read_counts(const Py_buffer *view, Py_ssize_t nodes, int32_t *largest)
{
    Py_ssize_t trees = view->shape[0], total = 0;
    int32_t *counts = malloc((size_t)trees * sizeof *counts);

    if (counts == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *largest = 0;
    for (Py_ssize_t index = 0; index < trees; index++) {
        int64_t count = load_int64(view->buf, index);
        if (count < 1 || count > nodes - total) {
            PyErr_Format(PyExc_ValueError, "node_counts[%zd] is %lld, with %zd nodes left", index,
                         (long long)count, nodes - total);
            free(counts);
            return NULL;
        }
        counts[index] = (int32_t)count;
        total += (Py_ssize_t)count;
        *largest = counts[index] > *largest ? counts[index] : *largest;
    }
    if (total != nodes) {
        PyErr_Format(PyExc_ValueError, "node_counts add up to %zd, there are %zd nodes", total,
                     nodes);
        free(counts);
        return NULL;
    }
    return counts;
}

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

/* Memory for the packed trees; their leaf values are copied right away. */
static bool allocate(Trees *self, const Py_buffer *views)
{
    size_t nodes = (size_t)(views[LEFT].shape[0] + self->tree_count) * node_size(self);
    size_t trees = (size_t)self->tree_count * sizeof *self->trees;

    self->memory = calloc(1, nodes + CACHE_LINE);
    self->trees = calloc(1, trees);
    self->values = malloc(views[VALUES].len > 0 ? (size_t)views[VALUES].len : 1);
    if (self->memory == NULL || self->trees == NULL || self->values == NULL) {
        PyErr_NoMemory();
        return false;
    }
    uintptr_t start = (uintptr_t)self->memory;
    self->nodes = (char *)self->memory + (CACHE_LINE - start % CACHE_LINE) % CACHE_LINE;
    if (views[VALUES].len > 0) { /* the address of no bytes may be NULL, which memcpy forbids */
        memcpy(self->values, views[VALUES].buf, (size_t)views[VALUES].len);
    }
    self->bytes = nodes + trees + (size_t)views[VALUES].len;
    return true;
}

static bool fill(Trees *self, const Py_buffer *views)
{
    const Source source = {
        .left = views[LEFT].buf,
        .right = views[RIGHT].buf,
        .feature = views[FEATURE].buf,
        .threshold = views[THRESHOLD].buf,
        .missing_left = views[MISSING_LEFT].buf,
        .features = self->features,
        .leaf_count = views[VALUES].shape[0],
    };
    Fault found = {NULL, -1, -1};
    int32_t largest;
    int32_t *counts = read_counts(&views[COUNTS], views[LEFT].shape[0], &largest);
    bool done = false;

    if (counts == NULL) {
        return false;
    }
    self->narrow = self->features <= NARROW_FEATURES && largest <= NARROW_NODES;
    if (!allocate(self, views)) {
        free(counts);
        return false;
    }
    Scratch scratch = {
        .queue = malloc((size_t)largest * sizeof *scratch.queue),
        .left = malloc((size_t)largest * sizeof *scratch.left),
        .rank = malloc((size_t)largest * sizeof *scratch.rank),
        .seen = malloc((size_t)largest),
    };
    if (scratch.queue == NULL || scratch.left == NULL || scratch.rank == NULL ||
        scratch.seen == NULL) {
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS
        done = pack(self, &source, counts, &scratch, &found);
        Py_END_ALLOW_THREADS
        if (done) {
            /* nothing to report */
        } else if (found.tree < 0) {
            PyErr_SetString(PyExc_ValueError, found.what);
        } else if (found.node < 0) {
            PyErr_Format(PyExc_ValueError, "tree %zd: %s", found.tree, found.what);
        } else {
            PyErr_Format(PyExc_ValueError, "tree %zd, node %zd: %s", found.tree, found.node,
                         found.what);
        }
    }
    free(scratch.queue);
    free(scratch.left);
    free(scratch.rank);
    free(scratch.seen);
    free(counts);
    return done;
}

static PyObject *trees_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"node_counts",        "children_left", "children_right",
                            "feature",            "threshold",     "missing_go_to_left",
                            "leaf_values",        "n_features",    "averaged",
                            "allows_missing",     NULL};
    PyObject *objects[ARRAYS];
    Py_buffer views[ARRAYS];
    Py_ssize_t features;
    int averaged, allows_missing, held = 0;
    Trees *self = NULL;
    bool done = false;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOOOO$npp:Trees", names, &objects[COUNTS],
                                     &objects[LEFT], &objects[RIGHT], &objects[FEATURE],
                                     &objects[THRESHOLD], &objects[MISSING_LEFT],
                                     &objects[VALUES], &features, &averaged, &allows_missing)) {
        return NULL;
    }
    while (held < ARRAYS && get_buffer(objects[held], ARRAY[held].name, ARRAY[held].dimensions,
                                       ARRAY[held].formats, ARRAY[held].size, false,
                                       &views[held])) {
        held++;
    }
    if (held == ARRAYS && check_shapes(views, features, averaged)) {
        allocfunc allocate_object = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
        self = (Trees *)allocate_object(type, 0);
    }
    if (self != NULL) {
        self->tree_count = views[COUNTS].shape[0];
        self->features = features;
        self->outputs = views[VALUES].shape[1];
        self->averaged = averaged;
        self->allows_missing = allows_missing;
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

static void trees_dealloc(PyObject *object)
{
    Trees *self = (Trees *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free(self->memory);
    free(self->trees);
    free(self->values);
    free_object(object);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static bool check_rows(const Trees *self, const Py_buffer *rows)
{
    if (rows->itemsize != (rows->format[0] == 'd' ? (Py_ssize_t)sizeof(double)
                                                  : (Py_ssize_t)sizeof(float))) {
        PyErr_SetString(PyExc_ValueError, "rows have items of an odd size");
    } else if (rows->shape[1] != self->features) {
        PyErr_Format(PyExc_ValueError, "rows have %zd features, the trees look at %zd",
                     rows->shape[1], self->features);
    } else {
        return true;
    }
    return false;
}

static bool check_out(const Trees *self, const Py_buffer *rows, const Py_buffer *out)
{
    if (out->shape[0] != rows->shape[0] || out->shape[1] != self->outputs) {
        PyErr_Format(PyExc_ValueError, "out is %zd x %zd, not %zd x %zd", out->shape[0],
                     out->shape[1], rows->shape[0], self->outputs);
    } else if ((uintptr_t)out->buf % sizeof(double) != 0) {
        PyErr_SetString(PyExc_ValueError, "out is not aligned");
    } else {
        return true;
    }
    return false;
}

/* As `evaluate_rows`, for checked `rows`. Returns false with an exception set. */
static bool evaluate(const Trees *self, const Py_buffer *rows, double *out, Py_ssize_t *refused)
{
    uint32_t few[1024]; /* a row of most models: no allocation */
    uint32_t *keys = few;
    const Py_ssize_t count = rows->shape[0], block = block_rows(self);
    const Py_ssize_t lanes = count < block ? (count + LANES - 1) / LANES * LANES : block;
    const size_t room = (size_t)(lanes * self->features);
    const bool doubles = rows->format[0] == 'd';

    if (room > sizeof few / sizeof *few) {
        keys = malloc(room * sizeof *keys);
        if (keys == NULL) {
            PyErr_NoMemory();
            return false;
        }
    }
    memset(keys, 0, room * sizeof *keys); /* lanes without a row walk beside the others, anywhere */
    if (count > STEPS_WORTH_A_SWITCH / (self->total_depth + 1)) {
        Py_BEGIN_ALLOW_THREADS
        *refused = evaluate_rows(self, rows->buf, doubles, count, keys, out);
        Py_END_ALLOW_THREADS
    } else {
        *refused = evaluate_rows(self, rows->buf, doubles, count, keys, out);
    }
    if (keys != few) {
        free(keys);
    }
    return true;
}

PyDoc_STRVAR(evaluate_doc,
             "evaluate($self, rows, out, /)\n--\n\n"
             "Write the answers for rows (rows x features, float32 or float64) into out\n"
             "(rows x outputs, float64). Returns -1, or the first row that has an infinity, a\n"
             "value beyond float32 or a NaN that is not allowed; out is then unfinished.");

static PyObject *trees_evaluate(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const Trees *self = (Trees *)object;
    Py_buffer rows, out;
    Py_ssize_t refused;
    PyObject *answer = NULL;

    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "evaluate takes rows and out, not %zd arguments",
                            count);
    }
    if (!get_buffer(args[0], "rows", 2, "fd", 0, false, &rows)) {
        return NULL;
    }
    if (get_buffer(args[1], "out", 2, "d", sizeof(double), true, &out)) {
        if (check_rows(self, &rows) && check_out(self, &rows, &out) &&
            evaluate(self, &rows, out.buf, &refused)) {
            answer = PyLong_FromSsize_t(refused);
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&rows);
    return answer;
}

static PyObject *list_of_floats(const double *numbers, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);

    for (Py_ssize_t index = 0; list != NULL && index < count; index++) {
        PyObject *number = PyFloat_FromDouble(numbers[index]);
        if (number == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, index, number); /* takes the reference; the place exists */
        }
    }
    return list;
}

PyDoc_STRVAR(values_doc,
             "values($self, rows, /)\n--\n\n"
             "The answers of trees with one output for rows, as `evaluate` takes them, in a list\n"
             "of floats. None where `evaluate` would refuse a row.");

static PyObject *trees_values(PyObject *object, PyObject *argument)
{
    const Trees *self = (Trees *)object;
    double few[8];
    double *out = few;
    Py_buffer rows;
    Py_ssize_t refused;
    PyObject *answer = NULL;

    if (self->outputs != 1) {
        return PyErr_Format(PyExc_ValueError, "the trees have %zd outputs, not one",
                            self->outputs);
    }
    if (!get_buffer(argument, "rows", 2, "fd", 0, false, &rows)) {
        return NULL;
    }
    if (check_rows(self, &rows)) {
        if (rows.shape[0] > (Py_ssize_t)(sizeof few / sizeof *few)) {
            out = malloc((size_t)rows.shape[0] * sizeof *out);
        }
        if (out == NULL) {
            PyErr_NoMemory();
        } else if (evaluate(self, &rows, out, &refused)) {
            answer = refused < 0 ? list_of_floats(out, rows.shape[0]) : Py_NewRef(Py_None);
        }
        if (out != few) {
            free(out);
        }
    }
    PyBuffer_Release(&rows);
    return answer;
}

PyDoc_STRVAR(one_doc,
             "one($self, features, /)\n--\n\n"
             "The answer for one row, a float for each output in a list. features: the bytes of so\n"
             "many doubles. None where `evaluate` would refuse the row.");

static PyObject *trees_one(PyObject *object, PyObject *features)
{
    const Trees *self = (Trees *)object;
    double few[64];
    double *out = few;
    char *bytes, format[] = "d";
    Py_ssize_t length, refused, shape[] = {1, self->features};
    PyObject *answer = NULL;

    if (PyBytes_AsStringAndSize(features, &bytes, &length) < 0) {
        return NULL;
    }
    if (length != self->features * (Py_ssize_t)sizeof(double)) {
        return PyErr_Format(PyExc_ValueError, "features are %zd bytes, not %zd doubles", length,
                            self->features);
    }
    if (self->outputs > (Py_ssize_t)(sizeof few / sizeof *few)) {
        out = malloc((size_t)self->outputs * sizeof *out);
    }
    const Py_buffer row = {.buf = bytes, .format = format, .shape = shape};
    if (out == NULL) {
        PyErr_NoMemory();
    } else if (evaluate(self, &row, out, &refused)) {
        answer = refused < 0 ? list_of_floats(out, self->outputs) : Py_NewRef(Py_None);
    }
    if (out != few) {
        free(out);
    }
    return answer;
}

static PyObject *get_depth(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Trees *)self)->depth);
}

static PyObject *get_nbytes(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(((Trees *)self)->bytes);
}

static PyObject *get_allows_missing(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Trees *)self)->allows_missing);
}

static PyMethodDef methods[] = {
    {"evaluate", (PyCFunction)(void (*)(void))trees_evaluate, METH_FASTCALL, evaluate_doc},
    {"values", trees_values, METH_O, values_doc},
    {"one", trees_one, METH_O, one_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"depth", get_depth, NULL, "Steps from a root to the deepest leaf of all trees.", NULL},
    {"nbytes", get_nbytes, NULL, "Memory that the packed trees take.", NULL},
    {"allows_missing", get_allows_missing, NULL, "Whether rows may hold NaN.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(trees_doc,
             "Trees(node_counts, children_left, children_right, feature, threshold,\n"
             "      missing_go_to_left, leaf_values, *, n_features, averaged, allows_missing)\n--\n\n"
             "Decision trees, checked and packed. Immutable: any number of threads may ask.");

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)trees_new},
    {Py_tp_dealloc, (void *)trees_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_doc, (void *)trees_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "registry.engines.trees.Trees",
    .basicsize = sizeof(Trees),
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
    .m_name = "registry.engines.trees",
    .m_doc = "Walks decision trees and forests exactly as scikit-learn does.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_trees(void)
{
    return PyModuleDef_Init(&module_definition);
}
