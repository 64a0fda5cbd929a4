/*
 * The form in memory of decision trees, which `tree_packing.h` makes and `tree_walking.h` walks.
 */

#ifndef HOTSWAP_TREES_H
#define HOTSWAP_TREES_H

#include "../kernel.h"

enum {
    /* Rows that walk one tree side by side. A step waits for the previous step of the same row, but
     * not for other rows: so many keep the processor busy, and their places still fit in its
     * registers. Even, so that the lowest bit of a column is free. */
    LANES = 10,
    CACHE_LINE = 64, /* bytes */
    UPPER_LEVELS = 4, /* that many rows take at once */
    UPPER_ENDS = 1 << UPPER_LEVELS,
};

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
    uint32_t packed;    /* from the lowest bit: 11 column, whose lowest bit says that missing goes
                         * left, 1 splits by a set, 20 left */
} NarrowNode;

enum {
    NARROW_FEATURES = 204,
    NARROW_NODES = 1 << 20, /* of one tree */
    NARROW_COLUMN = 0x7fe,  /* feature * LANES */
    NARROW_MISSING_LEFT = 1,
    NARROW_BY_SET = 0x800,
    NARROW_LEFT_SHIFT = 12,
};
_Static_assert((NARROW_FEATURES - 1) * LANES <= NARROW_COLUMN && LANES % 2 == 0,
               "the layout of NarrowNode");

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

typedef struct UpperLevels UpperLevels;

/* The trees of a kernel's object, which frees them with `free_trees`. */
typedef struct {
    char *nodes; /* of the form that `narrow` says; NULL where they are not walked */
    Tree *trees;
    double *values;       /* leaves x outputs; of boosted trees, one for each leaf */
    UpperLevels *upper;   /* of each tree; NULL: walks begin at the roots */
    const uint32_t *sets; /* the sets of keys of nodes that split by a set; else NULL */
    size_t bytes;
    size_t node_bytes; /* of these, those of `nodes` */
    Py_ssize_t value_bytes; /* and those of `values` */
    Py_ssize_t tree_count;
    Py_ssize_t leaf_count;
    Py_ssize_t features; /* keys of a row */
    Py_ssize_t outputs;
    Py_ssize_t total_depth;
    int32_t depth;
    int32_t leaf_depth; /* steps from a root to a leaf: the mean of all leaves, rounded up */
    bool narrow;
} Trees;

static inline size_t node_size(const Trees *self)
{
    return self->narrow ? sizeof(NarrowNode) : sizeof(WideNode);
}

/* The following functions are compiled for each form that a kernel needs: its members are constants
 * in each copy. Rows without a missing value, nearly all, do not pay for the check. */
#ifdef __GNUC__
#define COPIED static inline __attribute__((always_inline))
#else
#define COPIED static inline
#endif

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
            .missing_left = node->packed & NARROW_MISSING_LEFT,
            .by_set = node->packed & NARROW_BY_SET,
            .column = node->packed & NARROW_COLUMN,
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

#endif
