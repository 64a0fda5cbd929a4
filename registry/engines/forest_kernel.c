/*
 * registry.engines.forest_kernel: walks decision trees and forests exactly as scikit-learn does.
 *
 * The result is equal to the last bit. scikit-learn 1.9 compares a float32 feature with a float64
 * threshold (`_tree.pyx`, `_apply_dense`), adds the float64 leaf values to zero in the order of the
 * trees and divides by their number (`_forest.py`, `_accumulate_prediction`); a single tree's leaf
 * value is the prediction itself. The same operations in the same order give the same bits.
 */

#include "kernel.h"

enum {
    CACHE_LINE = 64,
    /* Rows that walk one tree side by side. A step waits for the previous step of the same row, but
     * not for other rows: this many fill the processor, and their places still fit in its registers. */
    LANES = 8,
    /* All rows of a block walk one tree before the next, so that a tree is loaded into the nearest
     * cache once per block. More rows are better as long as their keys (13 features: 53 kB) stay in
     * a near cache too. */
    BLOCK_ROWS = 1024,
    BLOCK_KEYS = 65536,
    /* With fewer rows than this, each row walks GROUP_TREES trees side by side instead. These are
     * more than LANES because the nodes of different trees take much longer to load. */
    FEW_ROWS = 16,
    GROUP_TREES = 128,
    /* After this many steps most walks of a deep tree have ended; from then on, a check after every
     * SPELL steps whether all have ended saves the remaining steps. */
    FIRST_SPELL = 16,
    SPELL = 4,
    /* Real trees are tens of levels deep. The limit bounds what one row of a hostile tree costs. */
    MAX_DEPTH = 10000,
};

#define LEAF (-1)

/* Floats are compared as unsigned integers of the same order (`order`), which takes fewer
 * instructions. The key of every number that a row may hold is below infinity's; MISSING is above
 * all. */
#define ORDER_OF_ZERO 0x80000000u
#define ORDER_OF_INFINITY 0xff800000u
#define MISSING 0xffffffffu

/* The right child follows the left one, so a step is
 *     next = left + 1 - (key[feature] <= threshold)
 * without a branch to mispredict. A leaf has a threshold that no number exceeds, and its `left` is
 * the leaf itself: a row stays at its leaf, so every row can take as many steps as the tree is deep.
 *
 * All nodes of a forest have one form. The narrow form is half as large, so that a tree of 4,000
 * nodes fits in the nearest cache; the wide form holds what the narrow form has no room for. */
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
    uint32_t feature; /* 0 for a leaf, which reads a key, too */
    uint32_t leaf;    /* from the lowest bit: 1 missing goes left, 31 which of the leaves it is */
} WideNode;

typedef struct {
    Py_ssize_t root; /* number of its first node */
    Py_ssize_t leaf; /* row of its first leaf's values */
    int32_t depth;   /* steps from the root to the deepest leaf */
} Tree;

typedef struct {
    PyObject_HEAD
    char *nodes; /* of the form that `narrow` says */
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
    int32_t *rank;  /* how many leaves precede a node */
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

static size_t node_size(const PackedTrees *self)
{
    return self->narrow ? sizeof(NarrowNode) : sizeof(WideNode);
}

static void store_leaf(const PackedTrees *self, Py_ssize_t root, int32_t at, int32_t leaf)
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

static void store_inner(const PackedTrees *self, Py_ssize_t root, int32_t at, uint32_t threshold,
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

/* Check a tree of `count` nodes that begins at `first` in the source, and pack it breadth first.
 * That puts siblings side by side and the upper levels, which every row visits, together. It also
 * bounds a walk: a step goes at most one level down, so `depth` steps end within the tree, whatever
 * the keys. Returns the number of leaves, or 0 with `found` filled. */
static int32_t pack_tree(const PackedTrees *self, const Source *source, Py_ssize_t first,
                         int32_t count, Tree *tree, const Scratch *scratch, Fault *found)
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
        /* That each child follows its parent also rules out cycles. */
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

/* Fills the object's nodes and trees. Runs without the interpreter's lock, so that loading a large
 * forest does not delay the threads that predict. */
static bool pack(PackedTrees *self, const Source *source, const int32_t *counts,
                 const Scratch *scratch, Fault *found)
{
    Py_ssize_t first = 0, leaves = 0;

    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        Tree *tree = self->trees + index;
        /* One unused node before each root: pairs of siblings then start at even places and never
         * straddle two cache lines, since each count is odd. */
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

/* The following functions are compiled four times: `narrow` and `missing` are constants in each
 * copy. Rows without a missing value, nearly all, do not pay for the check. */
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

/* The node after `at` for the row whose first key is *keys. */
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

COPIED void add_leaf(const PackedTrees *self, const Tree *tree, uint32_t leaf, double *sums)
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
COPIED void sum_block(const PackedTrees *self, const uint32_t *keys, int count, double *sums,
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
COPIED void sum_row(const PackedTrees *self, const uint32_t *keys, double *sums, const bool narrow,
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

COPIED void sum_rows(const PackedTrees *self, const uint32_t *keys, int count, double *sums,
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

static void sum_narrow(const PackedTrees *self, const uint32_t *keys, int count, double *sums)
{
    sum_rows(self, keys, count, sums, true, false);
}

static void sum_narrow_missing(const PackedTrees *self, const uint32_t *keys, int count,
                               double *sums)
{
    sum_rows(self, keys, count, sums, true, true);
}

static void sum_wide(const PackedTrees *self, const uint32_t *keys, int count, double *sums)
{
    sum_rows(self, keys, count, sums, false, false);
}

static void sum_wide_missing(const PackedTrees *self, const uint32_t *keys, int count,
                             double *sums)
{
    sum_rows(self, keys, count, sums, false, true);
}

/* The keys of one row, cast to float as scikit-learn's validation does, into the lane that begins
 * at *keys. Returns whether all can be used; `missing` becomes true if there is a NaN. */
static bool make_keys(const PackedTrees *self, const char *row, bool are_doubles, uint32_t *keys,
                      bool *missing)
{
    bool infinite = false, none = false;

    for (Py_ssize_t feature = 0; feature < self->features; feature++) {
        float x = are_doubles ? (float)load_double(row, feature) : load_float(row, feature);
        infinite |= fabsf(x) > FLT_MAX;
        none |= x != x;
        keys[feature * LANES] = x != x ? MISSING : order(x);
    }
    *missing |= none;
    return !infinite && (self->allows_missing || !none);
}

/* Rows of a block: a whole number of LANES. */
static int block_rows(const PackedTrees *self)
{
    Py_ssize_t rows = BLOCK_KEYS / self->features / LANES * LANES;
    return rows < LANES ? LANES : rows < BLOCK_ROWS ? (int)rows : BLOCK_ROWS;
}

/* Lanes without a row walk with the others of their group. With keys of an earlier block, MISSING
 * above all, they could go on for as many steps as a tree is deep; with zeros they stop at a leaf. */
static void clear_padding(const PackedTrees *self, uint32_t *keys, int count)
{
    if (count >= FEW_ROWS && count % LANES != 0) {
        uint32_t *group = keys + count / LANES * LANES * self->features;
        for (Py_ssize_t feature = 0; feature < self->features; feature++) {
            for (int lane = count % LANES; lane < LANES; lane++) {
                group[feature * LANES + lane] = 0;
            }
        }
    }
}

/* The predictions for all rows into `out` (rows x outputs). Returns -1, or the first row that has a
 * value scikit-learn refuses. `keys` has room for those of a block, or of all rows, rounded up
 * to LANES, if they are fewer. */
static Py_ssize_t evaluate_rows(const PackedTrees *self, const char *rows, bool are_doubles,
                                Py_ssize_t count, uint32_t *keys, double *out)
{
    const size_t item_size = are_doubles ? sizeof(double) : sizeof(float);
    const Py_ssize_t width = self->features * (Py_ssize_t)item_size;
    const int block = block_rows(self);
    /* A forest's sums begin at zero as scikit-learn's do. A single tree's value must stay as it is:
     * adding it to -0.0 changes no number, not even -0.0. */
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
            if (!make_keys(self, rows + (first + row) * width, are_doubles, lane, &missing)) {
                return first + row;
            }
        }
        clear_padding(self, keys, lanes);
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
static const Array ROWS = {"rows", "fd", 0, 2, false}, OUT = {"out", "d", 8, 2, true};

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

/* Memory for the packed trees, and in it already their leaf values. It ends where the last node
 * ends, so that the sanitizers see a walk beyond it. */
static bool allocate(PackedTrees *self, const Py_buffer *views)
{
    size_t nodes = (size_t)(views[LEFT].shape[0] + self->tree_count) * node_size(self);
    size_t trees = (size_t)self->tree_count * sizeof *self->trees;
    void *memory = NULL;

    if (posix_memalign(&memory, CACHE_LINE, nodes) == 0) {
        self->nodes = memory;
    }
    self->trees = calloc(1, trees);
    self->values = malloc(views[VALUES].len > 0 ? (size_t)views[VALUES].len : 1);
    if (self->nodes == NULL || self->trees == NULL || self->values == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (views[VALUES].len > 0) { /* the address of no bytes may be NULL, which memcpy forbids */
        memcpy(self->values, views[VALUES].buf, (size_t)views[VALUES].len);
    }
    self->bytes = nodes + trees + (size_t)views[VALUES].len;
    return true;
}

static bool fill(PackedTrees *self, const Py_buffer *views)
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
    int averaged, allows_missing, held;
    PackedTrees *self = NULL;
    bool done = false;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOOOO$npp:PackedTrees", names,
                                     &objects[COUNTS], &objects[LEFT], &objects[RIGHT],
                                     &objects[FEATURE], &objects[THRESHOLD],
                                     &objects[MISSING_LEFT], &objects[VALUES], &features,
                                     &averaged, &allows_missing)) {
        return NULL;
    }
    held = get_buffers(objects, ARRAY, ARRAYS, views);
    if (held == ARRAYS && check_shapes(views, features, averaged)) {
        self = allocate_object(type);
    }
    if (self != NULL) {
        self->tree_count = views[COUNTS].shape[0];
        self->features = features;
        self->outputs = views[VALUES].shape[1];
        self->averaged = averaged;
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
    PackedTrees *self = (PackedTrees *)object;

    free(self->nodes);
    free(self->trees);
    free(self->values);
    free_object(object);
}

static bool check_rows(const PackedTrees *self, const Py_buffer *rows)
{
    if (rows->shape[1] != self->features) {
        PyErr_Format(PyExc_ValueError, "rows have %zd features, not %zd", rows->shape[1],
                     self->features);
        return false;
    }
    return true;
}

/* As `evaluate_rows`, for checked `rows`. Returns false with an exception set. */
static bool evaluate(const PackedTrees *self, const Py_buffer *rows, double *out,
                     Py_ssize_t *refused)
{
    uint32_t few[1024]; /* enough for a row of most models: no allocation */
    uint32_t *keys = few;
    const Py_ssize_t count = rows->shape[0], block = block_rows(self);
    const Py_ssize_t lanes = count < block ? (count + LANES - 1) / LANES * LANES : block;
    const size_t room = (size_t)(lanes * self->features);
    const bool are_doubles = rows->format[0] == 'd';

    if (room > sizeof few / sizeof *few) {
        keys = malloc(room * sizeof *keys);
        if (keys == NULL) {
            PyErr_NoMemory();
            return false;
        }
    }
    PyThreadState *released =
        release_lock(count > STEPS_WORTH_A_SWITCH / (self->total_depth + 1));
    *refused = evaluate_rows(self, rows->buf, are_doubles, count, keys, out);
    take_lock(released);
    if (keys != few) {
        free(keys);
    }
    return true;
}

PyDoc_STRVAR(evaluate_doc,
             "evaluate($self, rows, out, /)\n--\n\n"
             "Write the predictions for rows (rows x features, float32 or float64) into out\n"
             "(rows x outputs, float64). Returns -1, or the first row that has an infinity, a\n"
             "value beyond float32 or a NaN that is not allowed; out is then unfinished.");

static PyObject *trees_evaluate(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const PackedTrees *self = (PackedTrees *)object;
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
        if (check_rows(self, &rows) && check_out(&out, rows.shape[0], self->outputs) &&
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

static PyObject *trees_values(PyObject *object, PyObject *argument)
{
    const PackedTrees *self = (PackedTrees *)object;
    double few[8];
    Py_buffer rows;
    Py_ssize_t refused;
    PyObject *found = NULL;

    if (self->outputs != 1) {
        return PyErr_Format(PyExc_ValueError, "the trees have %zd outputs, not one",
                            self->outputs);
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

static PyObject *trees_one(PyObject *object, PyObject *features)
{
    const PackedTrees *self = (PackedTrees *)object;
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
    double *out = doubles(self->outputs, few, sizeof few / sizeof *few);
    if (out != NULL && evaluate(self, &row, out, &refused)) {
        found = refused < 0 ? list_of_floats(out, self->outputs) : Py_NewRef(Py_None);
    }
    free_doubles(out, few);
    return found;
}

static PyObject *get_depth(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((PackedTrees *)self)->depth);
}

static PyObject *get_nbytes(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(((PackedTrees *)self)->bytes);
}

static PyObject *get_allows_missing(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((PackedTrees *)self)->allows_missing);
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
             "PackedTrees(node_counts, children_left, children_right, feature, threshold,\n"
             "            missing_go_to_left, leaf_values, *, n_features, averaged,\n"
             "            allows_missing)\n--\n\n"
             "Decision trees, checked and packed. Immutable: safe to use from several threads.");

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
