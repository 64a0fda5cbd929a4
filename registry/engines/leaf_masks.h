/*
 * Finds the leaves that a row reaches in many small trees without walking them.
 *
 * A mask has a bit for each leaf of a tree, from the left. A node at which the row goes right
 * excludes the leaves of its left subtree; of the leaves that no node excludes, the row reaches the
 * leftmost (Lucchese et al., QuickScorer, SIGIR 2015). What a node excludes depends on one key. So
 * each key of a column has, made in advance, a row of the masks of all trees, and the few single
 * masks that this row lacks. The conjunction of what the keys of a row exclude gives its leaves in all
 * trees.
 *
 * `mask_making.h` makes the masks.
 */

#ifndef HOTSWAP_LEAF_MASKS_H
#define HOTSWAP_LEAF_MASKS_H

#include "tree_walking.h"

enum {
    MASK_LEAVES = 64, /* of one tree */
    MASK_TREES = 4096,
    MASK_COLUMNS = 32,
    /* Masks of a row that are combined at a time: they fit in registers. */
    MASKS_AT_ONCE = 8,
};

/* Two masks in a register. */
typedef uint64_t Pair __attribute__((vector_size(16), aligned(8), may_alias));

typedef struct {
    uint64_t mask;
    uint32_t tree;
} SingleMask;

/* What a key excludes: a row of masks, and `count` single ones from `first` on. */
typedef struct {
    uint32_t row, first, count;
} Exclusion;

typedef struct {
    uint64_t *rows; /* of `width` masks each; the first excludes nothing. NULL: no masks were made */
    SingleMask *singles;
    Exclusion *exclusions; /* for each key of the first column, of the second, ... */
    uint32_t *last_keys;   /* of each column. MISSING counts as this */
    size_t width;          /* the number of trees, rounded up to MASKS_AT_ONCE */
} LeafMasks;

static inline void free_masks(LeafMasks *self)
{
    free(self->rows);
    free(self->singles);
    free(self->exclusions);
    free(self->last_keys);
}

/* Adds the leaf values that a row reaches to its sums. *keys is its first key. */
COPIED void sum_masked(const LeafMasks *self, const Trees *trees, const uint32_t *keys,
                       double *sums, const Sums kind)
{
    uint64_t masks[MASK_TREES];
    uint32_t leaves[MASK_TREES];
    const uint64_t *rows[MASK_COLUMNS];
    const Exclusion *excluded[MASK_COLUMNS], *exclusions = self->exclusions;

    for (Py_ssize_t column = 0; column < trees->features; column++) {
        const uint32_t last = self->last_keys[column], key = keys[column * LANES];
        excluded[column] = exclusions + (key < last ? key : last);
        exclusions += last + 1;
        rows[column] = self->rows + excluded[column]->row * self->width;
    }
    for (size_t first = 0; first < self->width; first += MASKS_AT_ONCE) {
        Pair some[MASKS_AT_ONCE / 2];
        for (size_t pair = 0; pair < MASKS_AT_ONCE / 2; pair++) {
            some[pair] = ((const Pair *)(rows[0] + first))[pair];
        }
        for (Py_ssize_t column = 1; column < trees->features; column++) {
            const Pair *others = (const Pair *)(rows[column] + first);
            for (size_t pair = 0; pair < MASKS_AT_ONCE / 2; pair++) {
                some[pair] &= others[pair];
            }
        }
        memcpy(masks + first, some, sizeof some);
    }
    for (Py_ssize_t column = 0; column < trees->features; column++) {
        const SingleMask *single = self->singles + excluded[column]->first;
        const SingleMask *end = single + excluded[column]->count;
        for (; single < end; single++) {
            masks[single->tree] &= single->mask;
        }
    }
    for (Py_ssize_t tree = 0; tree < trees->tree_count; tree++) {
        leaves[tree] = (uint32_t)__builtin_ctzll(masks[tree]); /* never 0: a row reaches a leaf */
    }
    add_leaves(trees, trees->trees, leaves, (int)trees->tree_count, sums, (Form){.sums = kind});
}

#endif
