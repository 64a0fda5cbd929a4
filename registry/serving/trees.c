/*
 * registry.serving.trees: walks decision trees and forests exactly as scikit-learn does.
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
    /* Rows that walk one tree together: their features (13 columns: 26 kB) are read in order, again
     * and again, while the tree is read at random: twice as many rows halve how often all trees
     * have to come in from the last-level cache. */
    BLOCK_ROWS = 512,
    /* Trees that one row walks side by side. A step waits for memory; this many independent steps
     * keep the processor busy meanwhile. */
    GROUP_TREES = 32,
    /* Fewer rows than this do not fill a block's pipeline: each walks its groups of trees alone. */
    FEW_ROWS = 16,
    /* Beyond this many steps most walks of a deep tree are over; from there on, one look at all of
     * them after each further spell of steps saves the rest. */
    FIRST_SPELL = 16,
    SPELL = 8,
    /* Real trees are tens of levels deep. The limit bounds what one row of a hostile tree costs. */
    MAX_DEPTH = 10000,
    /* Below about 50 microseconds of work the lock is kept: to give it up and win it back from
     * busy threads costs up to a switch interval, a hundred times the work itself. */
    STEPS_WORTH_A_SWITCH = 32768,
};

#define LEAF (-1)
#define MISSING_GOES_RIGHT 0x80000000u

/* Four nodes fill a cache line. The right child lies behind the left one, so a step is
 *     next = left + (x[feature] > threshold)
 * without a branch to mispredict. A leaf has threshold +inf and `left` pointing at itself: rows
 * that have arrived stay, so every row can take as many steps as the tree is deep. */
typedef struct {
    float threshold;
    uint32_t left;    /* index into the nodes of the whole forest */
    uint32_t feature; /* 0 for a leaf, which has to look somewhere */
    uint32_t leaf;    /* leaf: row of its values; inner node: MISSING_GOES_RIGHT or 0 */
} Node;

typedef struct {
    uint32_t root;
    int32_t depth; /* steps from the root to the deepest leaf */
} Tree;

typedef struct {
    PyObject_HEAD
    void *memory; /* what holds the nodes, before alignment */
    Node *nodes;
    Tree *trees;
    double *values; /* leaves x outputs */
    size_t bytes;
    Py_ssize_t tree_count;
    Py_ssize_t features;
    Py_ssize_t outputs;
    Py_ssize_t total_depth;
    int32_t depth;
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

/* The largest float that is not above `threshold`.
 *
 * Exact for every float x: no float lies between the result t and `threshold`, so x <= threshold
 * and x <= t are the same question. That includes thresholds beyond the range of float (t is
 * FLT_MAX or -inf) and those nearer to zero than its smallest step. Stepping down is done on the
 * bits, which no rounding or flush-to-zero mode of the processor can disturb. */
static float round_down(double threshold)
{
    float rounded = (float)threshold;
    uint32_t bits;
    if (!((double)rounded > threshold)) {
        return rounded;
    }
    memcpy(&bits, &rounded, sizeof bits);
    if ((bits & 0x7fffffffu) == 0) {
        bits = 0x80000001u; /* below either zero: the smallest negative number */
    } else if (bits & 0x80000000u) {
        bits++;
    } else {
        bits--;
    }
    memcpy(&rounded, &bits, sizeof bits);
    return rounded;
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

static bool fault(Fault *found, const char *what, Py_ssize_t node)
{
    found->what = what;
    found->node = node;
    return false;
}

/* Check one tree of `count` nodes that begins at `first` in the source, and pack it breadth first
 * from `root` on. Breadth first lays siblings side by side and the busy upper levels together.
 * `leaves` counts the leaves of all trees so far. */
static bool pack_tree(const Source *source, Py_ssize_t first, int32_t count, Node *nodes,
                      uint32_t root, int32_t *depth, Py_ssize_t *leaves, const Scratch *scratch,
                      Fault *found)
{
    int32_t tail = 1, level_end = 1, own_leaves = 0;

    for (int32_t old = 0; old < count; old++) {
        int32_t left = load_int32(source->left, first + old);
        scratch->left[old] = left;
        scratch->rank[old] = own_leaves;
        scratch->seen[old] = 0;
        own_leaves += left == LEAF;
    }
    if (own_leaves > source->leaf_count - *leaves) {
        return fault(found, "there are more leaves than rows of leaf values", -1);
    }
    *depth = 0;
    scratch->queue[0] = 0;
    for (int32_t head = 0; head < tail; head++) {
        int32_t old = scratch->queue[head];
        int32_t left = scratch->left[old];
        int32_t right = load_int32(source->right, first + old);
        Node *node = nodes + root + head;

        if (head == level_end) {
            if (++*depth > MAX_DEPTH) {
                return fault(found, "it lies deeper than 10000 levels", old);
            }
            level_end = tail;
        }
        if (left == LEAF) {
            if (right != LEAF) {
                return fault(found, "it has one child", old);
            }
            node->threshold = INFINITY;
            node->left = root + (uint32_t)head;
            node->feature = 0;
            node->leaf = (uint32_t)(*leaves + scratch->rank[old]);
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
        node->threshold = round_down(threshold);
        node->left = root + (uint32_t)tail;
        node->feature = (uint32_t)feature;
        node->leaf = missing_left ? 0 : MISSING_GOES_RIGHT;
        tail += 2;
    }
    if (tail != count) {
        return fault(found, "nodes of it have no parent", -1);
    }
    *leaves += own_leaves;
    return true;
}

/* Fills the object's nodes and trees. Needs no interpreter: loading a large forest does not hold
 * up the threads that predict. */
static bool pack(Trees *self, const Source *source, const int32_t *counts, const Scratch *scratch,
                 Fault *found)
{
    Py_ssize_t first = 0, leaves = 0;

    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        /* One node's room before each root: pairs of siblings then start at even places and never
         * straddle two cache lines. The room is taken from the counts, each of them odd. */
        uint32_t root = (uint32_t)(first + index + 1);
        Tree *tree = self->trees + index;

        found->tree = index;
        if (counts[index] % 2 == 0) {
            return fault(found, "its number of nodes is even", -1);
        }
        if (!pack_tree(source, first, counts[index], self->nodes, root, &tree->depth, &leaves,
                       scratch, found)) {
            return false;
        }
        tree->root = root;
        self->total_depth += tree->depth;
        self->depth = tree->depth > self->depth ? tree->depth : self->depth;
        first += counts[index];
    }
    found->tree = -1;
    if (leaves != source->leaf_count) {
        return fault(found, "there are fewer leaves than rows of leaf values", -1);
    }
    for (Py_ssize_t item = 0; item < leaves * self->outputs; item++) {
        if (!isfinite(self->values[item])) {
            return fault(found, "a leaf value is not finite", -1);
        }
    }
    return true;
}

/* ---- Walking ------------------------------------------------------------------------------- */

/* Where a row goes from `node`. `missing` is known when this is compiled. */
static inline uint32_t next_node(const Node *node, const float *row, const bool missing)
{
    float x = row[node->feature];
    uint32_t right = x > node->threshold;

    if (missing) { /* a leaf's number never reaches the upper bit: a row with NaN stays there too */
        right |= (x != x) & (node->leaf >> 31);
    }
    return node->left + right;
}

/* Take `steps` steps with every lane: lane i stands at node at[i] and reads its features at
 * rows + i * stride. Four at a time, all their loads before their stores, was fastest. */
static inline void advance(const Node *restrict nodes, uint32_t *restrict at, int lanes,
                           const float *restrict rows, Py_ssize_t stride, int steps,
                           const bool missing)
{
    for (int step = 0; step < steps; step++) {
        const float *row = rows;
        int lane = 0;
        for (; lane + 4 <= lanes; lane += 4, row += 4 * stride) {
            uint32_t first = next_node(nodes + at[lane], row, missing);
            uint32_t second = next_node(nodes + at[lane + 1], row + stride, missing);
            uint32_t third = next_node(nodes + at[lane + 2], row + 2 * stride, missing);
            uint32_t fourth = next_node(nodes + at[lane + 3], row + 3 * stride, missing);
            at[lane] = first;
            at[lane + 1] = second;
            at[lane + 2] = third;
            at[lane + 3] = fourth;
        }
        for (; lane < lanes; lane++, row += stride) {
            at[lane] = next_node(nodes + at[lane], row, missing);
        }
    }
}

static inline void walk(const Node *nodes, uint32_t *at, int lanes, const float *rows,
                        Py_ssize_t stride, int depth, const bool missing)
{
    int steps = depth < FIRST_SPELL ? depth : FIRST_SPELL;

    for (;;) {
        advance(nodes, at, lanes, rows, stride, steps, missing);
        depth -= steps;
        if (depth == 0) {
            return;
        }
        uint32_t under_way = 0;
        for (int lane = 0; lane < lanes; lane++) {
            under_way |= nodes[at[lane]].left ^ at[lane];
        }
        if (under_way == 0) {
            return;
        }
        steps = depth < SPELL ? depth : SPELL;
    }
}

/* Two copies: rows without a missing value, nearly all, do not pay for asking. */
static void walk_rows(const Node *nodes, uint32_t *at, int lanes, const float *rows,
                      Py_ssize_t stride, int depth, bool missing)
{
    if (missing) {
        walk(nodes, at, lanes, rows, stride, depth, true);
    } else {
        walk(nodes, at, lanes, rows, stride, depth, false);
    }
}

static inline void add_leaf(const Trees *self, uint32_t at, double *sums)
{
    const double *values = self->values + (Py_ssize_t)self->nodes[at].leaf * self->outputs;

    for (Py_ssize_t output = 0; output < self->outputs; output++) {
        sums[output] += values[output];
    }
}

/* Every row of a block walks one tree after the other. */
static void sum_block(const Trees *self, const float *rows, int count, bool missing, double *sums)
{
    uint32_t at[BLOCK_ROWS];

    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        const Tree *tree = self->trees + index;
        for (int row = 0; row < count; row++) {
            at[row] = tree->root;
        }
        walk_rows(self->nodes, at, count, rows, self->features, tree->depth, missing);
        if (self->outputs == 1) {
            for (int row = 0; row < count; row++) {
                sums[row] += self->values[self->nodes[at[row]].leaf];
            }
        } else {
            for (int row = 0; row < count; row++) {
                add_leaf(self, at[row], sums + row * self->outputs);
            }
        }
    }
}

/* One row walks groups of trees side by side; its sums are still made in the order of trees. */
static void sum_row(const Trees *self, const float *row, bool missing, double *sums)
{
    uint32_t at[GROUP_TREES];

    for (Py_ssize_t first = 0; first < self->tree_count; first += GROUP_TREES) {
        Py_ssize_t left = self->tree_count - first;
        int lanes = left < GROUP_TREES ? (int)left : GROUP_TREES;
        int32_t depth = 0;
        for (int lane = 0; lane < lanes; lane++) {
            const Tree *tree = self->trees + first + lane;
            at[lane] = tree->root;
            depth = tree->depth > depth ? tree->depth : depth;
        }
        walk_rows(self->nodes, at, lanes, row, 0, depth, missing);
        for (int lane = 0; lane < lanes; lane++) {
            add_leaf(self, at[lane], sums);
        }
    }
}

/* Copy `count` features as float into `to`, as scikit-learn's validation casts them. Returns
 * whether all can be used; `missing` becomes true if there is a NaN among them. */
static bool cast_features(const char *from, bool doubles, Py_ssize_t count, bool allows_missing,
                          float *to, bool *missing)
{
    int not_finite = 0, infinite = 0;

    for (Py_ssize_t item = 0; item < count; item++) {
        to[item] = doubles ? (float)load_double(from, item) : load_float(from, item);
    }
    for (Py_ssize_t item = 0; item < count; item++) {
        not_finite |= !(fabsf(to[item]) <= FLT_MAX);
        infinite |= fabsf(to[item]) > FLT_MAX;
    }
    *missing = not_finite;
    return !infinite && (allows_missing || !not_finite);
}

/* The answers for all rows into `out` (rows x outputs). Returns -1, or the first row that has a
 * value no tree can be asked with. `block` has room for the features of `BLOCK_ROWS` rows, or of
 * all rows if they are fewer. */
static Py_ssize_t evaluate_rows(const Trees *self, const char *rows, bool doubles,
                                Py_ssize_t count, float *block, double *out)
{
    const Py_ssize_t width = self->features * (Py_ssize_t)(doubles ? sizeof(double) : sizeof(float));
    /* A forest's sums begin at zero as scikit-learn's do. A single tree's value must come through
     * as it is: only -0.0 leaves every number alone, -0.0 too. */
    const double start = self->averaged ? 0.0 : -0.0;
    bool missing;

    for (Py_ssize_t item = 0; item < count * self->outputs; item++) {
        out[item] = start;
    }
    for (Py_ssize_t first = 0; first < count; first += BLOCK_ROWS) {
        int lanes = count - first < BLOCK_ROWS ? (int)(count - first) : BLOCK_ROWS;
        const char *from = rows + first * width;
        double *sums = out + first * self->outputs;

        if (!cast_features(from, doubles, lanes * self->features, self->allows_missing, block,
                           &missing)) {
            Py_ssize_t row = 0;
            while (row < lanes - 1 && cast_features(from + row * width, doubles, self->features,
                                                    self->allows_missing, block, &missing)) {
                row++;
            }
            return first + row;
        }
        if (lanes < FEW_ROWS) {
            for (int row = 0; row < lanes; row++) {
                sum_row(self, block + row * self->features, missing, sums + row * self->outputs);
            }
        } else {
            sum_block(self, block, lanes, missing, sums);
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
    size_t nodes = (size_t)(views[LEFT].shape[0] + self->tree_count);
    size_t trees = (size_t)self->tree_count * sizeof *self->trees;

    self->memory = calloc(1, nodes * sizeof *self->nodes + CACHE_LINE);
    self->trees = calloc(1, trees);
    self->values = malloc(views[VALUES].len > 0 ? (size_t)views[VALUES].len : 1);
    if (self->memory == NULL || self->trees == NULL || self->values == NULL) {
        PyErr_NoMemory();
        return false;
    }
    uintptr_t start = (uintptr_t)self->memory;
    self->nodes = (Node *)((start + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (views[VALUES].len > 0) { /* the address of no bytes may be NULL, which memcpy forbids */
        memcpy(self->values, views[VALUES].buf, (size_t)views[VALUES].len);
    }
    self->bytes = nodes * sizeof *self->nodes + trees + (size_t)views[VALUES].len;
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
        done = allocate(self, views) && fill(self, views);
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

static bool check_rows(const Trees *self, const Py_buffer *rows, const Py_buffer *out)
{
    if (rows->itemsize != (rows->format[0] == 'd' ? (Py_ssize_t)sizeof(double)
                                                  : (Py_ssize_t)sizeof(float))) {
        PyErr_SetString(PyExc_ValueError, "rows have items of an odd size");
    } else if (rows->shape[1] != self->features) {
        PyErr_Format(PyExc_ValueError, "rows have %zd features, the trees look at %zd",
                     rows->shape[1], self->features);
    } else if (out->shape[0] != rows->shape[0] || out->shape[1] != self->outputs) {
        PyErr_Format(PyExc_ValueError, "out is %zd x %zd, not %zd x %zd", out->shape[0],
                     out->shape[1], rows->shape[0], self->outputs);
    } else if ((uintptr_t)out->buf % sizeof(double) != 0) {
        PyErr_SetString(PyExc_ValueError, "out is not aligned");
    } else {
        return true;
    }
    return false;
}

static PyObject *evaluate_buffers(const Trees *self, const Py_buffer *rows, const Py_buffer *out)
{
    float few[1024]; /* one row of most models: no allocation */
    float *block = few;
    Py_ssize_t count = rows->shape[0], refused;
    Py_ssize_t room = (count < BLOCK_ROWS ? count : BLOCK_ROWS) * self->features;
    bool doubles = rows->format[0] == 'd';

    if (room > (Py_ssize_t)(sizeof few / sizeof *few)) {
        block = malloc((size_t)room * sizeof *block); /* never more than the rows themselves */
        if (block == NULL) {
            return PyErr_NoMemory();
        }
    }
    if (count > STEPS_WORTH_A_SWITCH / (self->total_depth + 1)) {
        Py_BEGIN_ALLOW_THREADS
        refused = evaluate_rows(self, rows->buf, doubles, count, block, out->buf);
        Py_END_ALLOW_THREADS
    } else {
        refused = evaluate_rows(self, rows->buf, doubles, count, block, out->buf);
    }
    if (block != few) {
        free(block);
    }
    return PyLong_FromSsize_t(refused);
}

PyDoc_STRVAR(evaluate_doc,
             "evaluate($self, rows, out, /)\n--\n\n"
             "Write the answers for rows (rows x features, float32 or float64) into out\n"
             "(rows x outputs, float64). Returns -1, or the first row that has an infinity, a\n"
             "value beyond float32 or a NaN that is not allowed; out is then unfinished.");

static PyObject *trees_evaluate(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer rows, out;
    PyObject *answer = NULL;

    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "evaluate takes rows and out, not %zd arguments",
                            count);
    }
    if (!get_buffer(args[0], "rows", 2, "fd", 0, false, &rows)) {
        return NULL;
    }
    if (get_buffer(args[1], "out", 2, "d", sizeof(double), true, &out)) {
        if (check_rows((Trees *)object, &rows, &out)) {
            answer = evaluate_buffers((Trees *)object, &rows, &out);
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&rows);
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
    .name = "registry.serving.trees.Trees",
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
    .m_name = "registry.serving.trees",
    .m_doc = "Walks decision trees and forests exactly as scikit-learn does.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_trees(void)
{
    return PyModuleDef_Init(&module_definition);
}
