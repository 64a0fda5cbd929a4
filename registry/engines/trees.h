/*
 * Decision trees in memory, for the kernels that walk them: how they are checked, packed and walked.
 *
 * A kernel makes the keys of its rows, and reads the splits of its own arrays (`ReadSplit`); the
 * rest is here, once.
 */

#ifndef HOTSWAP_TREES_H
#define HOTSWAP_TREES_H

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

/* A row is compared by its keys, unsigned integers of the same order as its features, which takes
 * fewer instructions than to compare floats. Every key is below LEAF_KEY but MISSING, which is above
 * all. */
#define LEAF_KEY 0xff800000u
#define MISSING 0xffffffffu
#define WIDE_BY_SET 0x80000000u

/* The right child follows the left one, so a step is
 *     next = left + 1 - (key[feature] <= threshold)
 * without a branch to mispredict. A leaf has a threshold that no number exceeds, and its `left` is
 * the leaf itself: a row stays at its leaf, so every row can take as many steps as the tree is deep.
 *
 * All nodes of a forest have one form. The narrow form is half as large, so that a tree of 4,000
 * nodes fits in the nearest cache; the wide form holds what the narrow form has no room for. */
typedef struct {
    uint32_t threshold; /* leaf: LEAF_KEY + which of the tree's leaves it is */
    uint32_t packed;    /* from the lowest bit: 1 missing goes left, 1 splits by a set, 1 unused,
                         * 8 feature, 21 left.
                         * So the bits of `feature`, where they stand, are feature * LANES. */
} NarrowNode;

enum {
    NARROW_FEATURES = 256,
    NARROW_NODES = 1 << 21, /* of one tree */
    NARROW_FEATURE = 0x7f8,
    NARROW_LEFT_SHIFT = 11,
    NARROW_BY_SET = 2,
};
_Static_assert(LANES == 8, "the layout of NarrowNode");

typedef struct {
    uint32_t threshold;
    uint32_t left;    /* counted from the tree's root, as in the narrow form */
    uint32_t feature; /* 0 for a leaf, which reads a key, too; the highest bit: splits by a set */
    uint32_t leaf;    /* from the lowest bit: 1 missing goes left, 31 which of the leaves it is */
} WideNode;

typedef struct {
    Py_ssize_t root; /* number of its first node */
    Py_ssize_t leaf; /* row of its first leaf's values */
    int32_t depth;   /* steps from the root to the deepest leaf */
    int32_t output;  /* which of the sums its single leaf values are added to, in boosted trees */
} Tree;

/* The trees of a kernel's object, which frees them with `free_trees`. */
typedef struct {
    char *nodes; /* of the form that `narrow` says */
    Tree *trees;
    double *values;       /* leaves x outputs; of boosted trees, one for each leaf */
    const uint32_t *sets; /* the sets of keys of nodes that split by a set; else NULL */
    size_t bytes;
    Py_ssize_t tree_count;
    Py_ssize_t features; /* keys of a row */
    Py_ssize_t outputs;
    Py_ssize_t total_depth;
    int32_t depth;
    bool narrow;
} Trees;

/* ---- Packing ------------------------------------------------------------------------------- */

/* What the rows that reach an inner node are compared with: go left with a key of at most
 * `threshold`, or with a key in the set that begins at the word `threshold` of the sets. */
typedef struct {
    uint32_t threshold;
    bool by_set;
} Split;

typedef struct Source Source;

/* Reads the split of a node, whose feature is in range. Returns what is wrong with it, or NULL. */
typedef const char *ReadSplit(const Source *source, Py_ssize_t node, int32_t feature, Split *split);

struct Source {
    const char *left, *right, *feature, *threshold, *missing_left, *values;
    const void *kernel; /* whatever else `read_split` needs */
    ReadSplit *read_split;
    Py_ssize_t nodes;
    Py_ssize_t leaf_count; /* rows of leaf values that were given */
    Py_ssize_t width;      /* values of a leaf */
};

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

static inline int32_t fault(Fault *found, const char *what, Py_ssize_t node)
{
    found->what = what;
    found->node = node;
    return 0;
}

static inline size_t node_size(const Trees *self)
{
    return self->narrow ? sizeof(NarrowNode) : sizeof(WideNode);
}

static inline void store_leaf(const Trees *self, Py_ssize_t root, int32_t at, int32_t leaf)
{
    if (self->narrow) {
        ((NarrowNode *)self->nodes)[root + at] = (NarrowNode){
            .threshold = LEAF_KEY + (uint32_t)leaf,
            .packed = (uint32_t)at << NARROW_LEFT_SHIFT | 1,
        };
    } else {
        ((WideNode *)self->nodes)[root + at] = (WideNode){
            .threshold = LEAF_KEY,
            .left = (uint32_t)at,
            .leaf = (uint32_t)leaf << 1 | 1,
        };
    }
}

static inline void store_inner(const Trees *self, Py_ssize_t root, int32_t at, Split split,
                               int32_t left, int32_t feature, bool missing_left)
{
    if (self->narrow) {
        ((NarrowNode *)self->nodes)[root + at] = (NarrowNode){
            .threshold = split.threshold,
            .packed = (uint32_t)left << NARROW_LEFT_SHIFT | (uint32_t)feature * LANES |
                      (split.by_set ? NARROW_BY_SET : 0u) | (uint32_t)missing_left,
        };
    } else {
        ((WideNode *)self->nodes)[root + at] = (WideNode){
            .threshold = split.threshold,
            .left = (uint32_t)left,
            .feature = (uint32_t)feature | (split.by_set ? WIDE_BY_SET : 0u),
            .leaf = missing_left,
        };
    }
}

/* Check a tree of `count` nodes that begins at `first` in the source, and pack it breadth first.
 * That puts siblings side by side and the upper levels, which every row visits, together. It also
 * bounds a walk: a step goes at most one level down, so `depth` steps end within the tree, whatever
 * the keys. Returns the number of leaves, or 0 with `found` filled. */
static inline int32_t pack_tree(const Trees *self, const Source *source, Py_ssize_t first,
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
        Split split = {0, false};
        unsigned char missing_left = (unsigned char)source->missing_left[first + old];
        if (feature < 0 || feature >= self->features) {
            return fault(found, "its feature is out of range", old);
        }
        const char *wrong = source->read_split(source, first + old, feature, &split);
        if (wrong != NULL) {
            return fault(found, wrong, old);
        }
        if (missing_left > 1) {
            return fault(found, "missing_go_to_left is neither 0 nor 1", old);
        }
        store_inner(self, tree->root, head, split, tail, feature, missing_left);
        tail += 2;
    }
    if (tail != count) {
        return fault(found, "nodes of it have no parent", -1);
    }
    return own_leaves;
}

/* Fills the nodes and trees. Runs without the interpreter's lock, so that loading a large
 * forest does not delay the threads that predict. */
static inline bool pack(Trees *self, const Source *source, const int32_t *counts,
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
    for (Py_ssize_t item = 0; item < leaves * source->width; item++) {
        if (!isfinite(self->values[item])) {
            fault(found, "a leaf value is not finite", -1);
            return false;
        }
    }
    return true;
}

/* ---- Walking ------------------------------------------------------------------------------- */

/* The following functions are compiled for each form that a kernel needs: its members are constants
 * in each copy. Rows without a missing value, nearly all, do not pay for the check. */
#ifdef __GNUC__
#define COPIED static inline __attribute__((always_inline))
#else
#define COPIED static inline
#endif

typedef enum {
    VECTORS, /* a leaf has a value for each output, and the sums are doubles */
    DOUBLE,  /* a leaf has one value, for the output of its tree */
    SINGLE,  /* the same, and each sum is rounded to a float */
} Sums;

typedef struct {
    bool narrow, missing, sets;
    Sums sums;
} Form;

typedef struct {
    uint32_t threshold, left, missing_left, by_set;
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
            .by_set = node->packed & NARROW_BY_SET,
            .column = node->packed & NARROW_FEATURE,
        };
    }
    const WideNode *node = (const WideNode *)tree + at;
    return (Node){
        .threshold = node->threshold,
        .left = node->left,
        .missing_left = node->leaf & 1,
        .by_set = node->feature & WIDE_BY_SET,
        .column = (size_t)(node->feature & ~WIDE_BY_SET) * LANES,
    };
}

COPIED uint32_t read_leaf(const void *tree, uint32_t at, const bool narrow)
{
    return narrow ? ((const NarrowNode *)tree)[at].threshold - LEAF_KEY
                  : ((const WideNode *)tree)[at].leaf >> 1;
}

/* The node after `at` for the row whose first key is *keys. */
COPIED uint32_t next_node(const void *tree, uint32_t at, const uint32_t *keys,
                          const uint32_t *sets, const Form form)
{
    const Node node = read_node(tree, at, form.narrow);
    const uint32_t key = keys[node.column];
    uint32_t goes_left = key <= node.threshold;

    if (form.sets && node.by_set) { /* a key of such a feature is never MISSING */
        return node.left + 1 - (sets[node.threshold + (key >> 5)] >> (key & 31) & 1);
    }
    if (form.missing) { /* MISSING is above every threshold; a leaf's `left` is the leaf itself */
        goes_left |= (key == MISSING) & node.missing_left;
    }
    return node.left + 1 - goes_left;
}

COPIED void add_leaf(const Trees *self, const Tree *tree, uint32_t leaf, double *sums,
                     const Form form)
{
    if (form.sums == SINGLE) { /* in double, the sum of two floats rounds to their float sum */
        double *sum = sums + tree->output;
        *sum = (float)(*sum + self->values[tree->leaf + (Py_ssize_t)leaf]);
        return;
    }
    if (form.sums == DOUBLE) {
        sums[tree->output] += self->values[tree->leaf + (Py_ssize_t)leaf];
        return;
    }
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
COPIED void walk_rows(const void *tree, int32_t depth, const uint32_t *keys,
                      const uint32_t *sets, uint32_t *leaves, const Form form)
{
    uint32_t at[LANES] = {0};
    int32_t steps = fewer(depth, FIRST_SPELL);

    for (;;) {
        depth -= steps;
        for (; steps > 0; steps--) {
            for (int lane = 0; lane < LANES; lane++) {
                at[lane] = next_node(tree, at[lane], keys + lane, sets, form);
            }
        }
        if (depth == 0) {
            break;
        }
        uint32_t under_way = 0;
        for (int lane = 0; lane < LANES; lane++) {
            under_way |= read_node(tree, at[lane], form.narrow).left ^ at[lane];
        }
        if (under_way == 0) {
            break;
        }
        steps = fewer(depth, SPELL);
    }
    for (int lane = 0; lane < LANES; lane++) {
        leaves[lane] = read_leaf(tree, at[lane], form.narrow);
    }
}

/* All rows of a block walk one tree after the other. */
COPIED void sum_block(const Trees *self, const uint32_t *keys, int count, double *sums,
                      const Form form)
{
    const uint32_t *sets = self->sets;

    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        const Tree *tree = self->trees + index;
        const char *nodes = self->nodes + tree->root * (Py_ssize_t)node_size(self);

        const uint32_t *lane_keys = keys;

        for (int first = 0; first < count; first += LANES, lane_keys += LANES * self->features) {
            uint32_t leaves[LANES];
            int lanes = fewer(count - first, LANES);
            walk_rows(nodes, tree->depth, lane_keys, sets, leaves, form);
            for (int lane = 0; lane < lanes; lane++) {
                add_leaf(self, tree, leaves[lane], sums + (first + lane) * self->outputs, form);
            }
        }
    }
}

/* One row walks groups of trees side by side; its sums are still made in the order of trees. */
COPIED void sum_row(const Trees *self, const uint32_t *keys, double *sums, const Form form)
{
    const uint32_t *sets = self->sets;
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
                    at[lane] = next_node(nodes[lane], at[lane], keys, sets, form);
                }
            }
            for (int lane = 0; depth > 0 && lane < lanes; lane++) {
                under_way |= read_node(nodes[lane], at[lane], form.narrow).left ^ at[lane];
            }
            if (under_way == 0) {
                break;
            }
        }
        for (int lane = 0; lane < lanes; lane++) {
            add_leaf(self, trees + lane, read_leaf(nodes[lane], at[lane], form.narrow), sums, form);
        }
    }
}

COPIED void sum_rows(const Trees *self, const uint32_t *keys, int count, double *sums,
                     const Form form)
{
    if (count >= FEW_ROWS) {
        sum_block(self, keys, count, sums, form);
        return;
    }
    for (int row = 0; row < count; row++) {
        const uint32_t *first = keys + row / LANES * LANES * self->features + row % LANES;
        sum_row(self, first, sums + row * self->outputs, form);
    }
}


/* Rows of a block: a whole number of LANES. */
static inline int block_rows(const Trees *self)
{
    Py_ssize_t rows = BLOCK_KEYS / self->features / LANES * LANES;
    return rows < LANES ? LANES : rows < BLOCK_ROWS ? (int)rows : BLOCK_ROWS;
}

/* Lanes without a row walk with the others of their group. With keys of an earlier block, MISSING
 * above all, they could go on for as many steps as a tree is deep; with zeros they stop at a leaf. */
static inline void clear_padding(const Trees *self, uint32_t *keys, int count)
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

/* ---- Memory -------------------------------------------------------------------------------- */

/* The counts of all trees as int32, which must add up to `nodes`; NULL with an exception set. */
static inline int32_t *read_counts(const Py_buffer *view, Py_ssize_t nodes, int32_t *largest)
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

/* Memory for the packed trees, and in it already their leaf values. It ends where the last node
 * ends, so that the sanitizers see a walk beyond it. */
static inline bool allocate_trees(Trees *self, const Source *source)
{
    size_t nodes = (size_t)(source->nodes + self->tree_count) * node_size(self);
    size_t trees = (size_t)self->tree_count * sizeof *self->trees;
    size_t values = (size_t)(source->leaf_count * source->width) * sizeof *self->values;
    void *memory = NULL;

    if (posix_memalign(&memory, CACHE_LINE, nodes) == 0) {
        self->nodes = memory;
    }
    self->trees = calloc(1, trees);
    self->values = malloc(values > 0 ? values : 1);
    if (self->nodes == NULL || self->trees == NULL || self->values == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (values > 0) { /* the address of no bytes may be NULL, which memcpy forbids */
        memcpy(self->values, source->values, values);
    }
    self->bytes = nodes + trees + values;
    return true;
}

static inline void free_trees(Trees *self)
{
    free(self->nodes);
    free(self->trees);
    free(self->values);
}

/* Check and pack all trees of `source`, whose numbers of nodes are in `view`. The caller has set
 * `tree_count`, `features` and `outputs`, and calls `free_trees` in the end. Returns false with an
 * exception set. */
static inline bool fill_trees(Trees *self, const Source *source, const Py_buffer *view)
{
    Fault found = {NULL, -1, -1};
    int32_t largest;
    int32_t *counts = read_counts(view, source->nodes, &largest);
    bool done = false;

    if (counts == NULL) {
        return false;
    }
    self->narrow = self->features <= NARROW_FEATURES && largest <= NARROW_NODES;
    if (!allocate_trees(self, source)) {
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
        done = pack(self, source, counts, &scratch, &found);
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

#endif
