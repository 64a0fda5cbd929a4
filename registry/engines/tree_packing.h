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

enum {
    /* Levels of pairs of siblings that are packed together: 14 nodes, in two or three lines of the
     * cache. A step then finds its nodes more often in a line that the step before has loaded. */
    NEAR_LEVELS = 3,
};

/* Memory for one tree at a time, as large as the largest needs, and what is counted over all. */
typedef struct {
    int32_t *order; /* nodes in the order in which they are packed */
    int32_t *queue; /* inner nodes whose children are packed together with the levels below */
    int32_t *left;  /* each node's left child as it was read, the one time */
    int32_t *rank;  /* how many leaves precede a node */
    int32_t *children; /* the place of an inner node's left child; the right one follows */
    int32_t *depth;    /* steps from the root */
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
            .packed = (uint32_t)at << NARROW_LEFT_SHIFT | NARROW_MISSING_LEFT,
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

/* Reads the nodes of a tree and counts its leaves. */
static inline int32_t read_lefts(const Source *source, Py_ssize_t first, int32_t count,
                                 Scratch *scratch)
{
    int32_t leaves = 0;

    for (int32_t node = 0; node < count; node++) {
        scratch->left[node] = load_int32(source->left, first + node);
        scratch->rank[node] = leaves;
        scratch->seen[node] = 0;
        leaves += scratch->left[node] == LEAF;
    }
    return leaves;
}

/* The children of `parent`, an inner node, follow the `packed` nodes before them. Returns how many
 * nodes are packed then, or 0 with `found` filled. */
static inline int32_t place_children(const Source *source, Py_ssize_t first, int32_t count,
                                     int32_t parent, int32_t packed, Scratch *scratch, Fault *found)
{
    const int32_t left = scratch->left[parent];
    const int32_t right = load_int32(source->right, first + parent);

    /* That each child follows its parent also rules out cycles. */
    if (left <= parent || left >= count || right <= parent || right >= count) {
        return fault(found, "a child is out of range or not behind its parent", parent);
    }
    if (left == right || scratch->seen[left] || scratch->seen[right]) {
        return fault(found, "a child of it has two parents", parent);
    }
    scratch->seen[left] = scratch->seen[right] = 1;
    scratch->depth[left] = scratch->depth[right] = scratch->depth[parent] + 1;
    if (scratch->depth[left] > MAX_DEPTH) {
        return fault(found, "it lies deeper than 10000 levels", left);
    }
    scratch->children[parent] = packed;
    scratch->order[packed] = left; /* in range: each node but the first is placed once */
    scratch->order[packed + 1] = right;
    return packed + 2;
}

/* Gives each node of a tree its place. The children of a node of the queue are followed by the
 * children of these, and so on for NEAR_LEVELS levels; the inner nodes of the last level join the
 * queue. Returns how many nodes have a place, or 0 with `found` filled. */
static inline int32_t place_nodes(const Source *source, Py_ssize_t first, int32_t count,
                                  Scratch *scratch, Fault *found)
{
    int32_t packed = 1, waiting = 0;

    scratch->order[0] = 0;
    scratch->depth[0] = 0;
    if (scratch->left[0] != LEAF) {
        scratch->queue[waiting++] = 0;
    }
    for (int32_t head = 0; head < waiting; head++) {
        int32_t place = packed;

        packed = place_children(source, first, count, scratch->queue[head], packed, scratch, found);
        for (int level = 1; level <= NEAR_LEVELS && packed > 0; level++) {
            for (const int32_t end = packed; place < end && packed > 0; place++) {
                const int32_t node = scratch->order[place];
                if (scratch->left[node] == LEAF) {
                    continue;
                }
                if (level == NEAR_LEVELS) {
                    scratch->queue[waiting++] = node;
                } else {
                    packed = place_children(source, first, count, node, packed, scratch, found);
                }
            }
        }
        if (packed == 0) {
            return 0;
        }
    }
    return packed;
}

/* Check a tree of `count` nodes that begins at `first` in the source, and pack it so that siblings
 * are side by side and near their parent. It also bounds a walk: a step goes at most one level down,
 * so `depth` steps end within the tree, whatever the keys. Returns the number of leaves, or 0 with
 * `found` filled. */
static inline int32_t pack_tree(const Trees *self, const Source *source, Py_ssize_t first,
                                int32_t count, Tree *tree, Scratch *scratch, Fault *found)
{
    const int32_t own_leaves = read_lefts(source, first, count, scratch);

    if (own_leaves > source->leaf_count - tree->leaf) {
        return fault(found, "there are more leaves than rows of leaf values", -1);
    }
    const int32_t packed = place_nodes(source, first, count, scratch, found);
    if (packed == 0) {
        return 0;
    }
    tree->depth = 0;
    for (int32_t place = 0; place < packed; place++) {
        const int32_t node = scratch->order[place], depth = scratch->depth[node];

        tree->depth = depth > tree->depth ? depth : tree->depth;
        if (scratch->left[node] == LEAF) {
            if (load_int32(source->right, first + node) != LEAF) {
                return fault(found, "it has one child", node);
            }
            store_leaf(self, tree->root, place, scratch->rank[node]);
            scratch->leaf_depths += depth;
            continue;
        }
        int32_t feature = load_int32(source->feature, first + node);
        Split split = {0, false};
        unsigned char missing_left = (unsigned char)source->missing_left[first + node];
        if (feature < 0 || feature >= self->features) {
            return fault(found, "its feature is out of range", node);
        }
        const char *wrong = source->read_split(source, first + node, feature, &split);
        if (wrong != NULL) {
            return fault(found, wrong, node);
        }
        if (missing_left > 1) {
            return fault(found, "missing_go_to_left is neither 0 nor 1", node);
        }
        store_inner(self, tree->root, place, split, scratch->children[node], feature, missing_left);
    }
    if (packed != count) {
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

/* Memory for a tree of `nodes`, which `free_scratch` frees. Returns whether there is any. */
static inline bool allocate_scratch(Scratch *scratch, size_t nodes)
{
    *scratch = (Scratch){
        .order = malloc(nodes * sizeof *scratch->order),
        .queue = malloc(nodes * sizeof *scratch->queue),
        .left = malloc(nodes * sizeof *scratch->left),
        .rank = malloc(nodes * sizeof *scratch->rank),
        .children = malloc(nodes * sizeof *scratch->children),
        .depth = malloc(nodes * sizeof *scratch->depth),
        .seen = malloc(nodes),
    };
    return scratch->order != NULL && scratch->queue != NULL && scratch->left != NULL &&
           scratch->rank != NULL && scratch->children != NULL && scratch->depth != NULL &&
           scratch->seen != NULL;
}

static inline void free_scratch(Scratch *scratch)
{
    free(scratch->order);
    free(scratch->queue);
    free(scratch->left);
    free(scratch->rank);
    free(scratch->children);
    free(scratch->depth);
    free(scratch->seen);
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
    free(self->upper);
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
    Scratch scratch;
    if (!allocate_scratch(&scratch, (size_t)largest)) {
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
    free_scratch(&scratch);
    free(counts);
    return done;
}

#endif
