/*
 * Checks decision trees and packs them into the form of `trees.h`.
 *
 * A kernel reads the splits of its own arrays (`ReadSplit`).
 */

#ifndef HOTSWAP_TREE_PACKING_H
#define HOTSWAP_TREE_PACKING_H

#include "trees.h"

#define LEAF (-1)

enum {
    /* Real trees are tens of levels deep. The limit bounds what one row of a hostile tree costs. */
    MAX_DEPTH = 10000,
};

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

/* Memory for one tree at a time, as large as the largest needs, and what is counted over all. */
typedef struct {
    int32_t *queue; /* nodes in the order in which they are packed */
    int32_t *left;  /* each node's left child as it was read, the one time */
    int32_t *rank;  /* how many leaves precede a node */
    unsigned char *seen;
    int64_t leaf_depths; /* steps from the roots to the leaves so far */
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
                                int32_t count, Tree *tree, Scratch *scratch, Fault *found)
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
            scratch->leaf_depths += tree->depth;
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
                        Scratch *scratch, Fault *found)
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
    self->leaf_depth = (int32_t)((scratch->leaf_depths + leaves - 1) / leaves);
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
    self->leaf_count = source->leaf_count;
    self->node_bytes = nodes;
    self->value_bytes = (Py_ssize_t)values;
    self->bytes = nodes + trees + values;
    return true;
}

static inline void free_nodes(Trees *self)
{
    free(self->nodes);
    self->nodes = NULL;
    self->bytes -= self->node_bytes;
    self->node_bytes = 0;
}

static inline void free_trees(Trees *self)
{
    free_nodes(self);
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
