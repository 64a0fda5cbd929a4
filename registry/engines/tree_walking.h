/*
 * Walks packed decision trees from the keys of rows to the sums of their leaf values.
 *
 * A kernel makes the keys.
 */

#ifndef HOTSWAP_TREE_WALKING_H
#define HOTSWAP_TREE_WALKING_H

#include "tree_fetching.h"
#include "trees.h"
#include "upper_levels.h"

enum {
    /* All rows of a block walk one tree before the next, so that a tree is loaded into the nearest
     * cache once per block. More rows are better as long as their keys (13 features: 53 kB) stay in
     * a near cache too. */
    BLOCK_ROWS = 1020,
    BLOCK_KEYS = 65536,
    /* With fewer rows than this, each row walks GROUP_TREES trees side by side instead. These are
     * more than LANES because the nodes of different trees take much longer to load. */
    FEW_ROWS = 16,
    GROUP_TREES = 128,
    /* After this many steps most walks of a block in a deep tree have ended; from then on, a check
     * after every SPELL steps whether all have ended saves the remaining steps. */
    FIRST_SPELL = 16,
    SPELL = 4,
};
_Static_assert(BLOCK_ROWS % LANES == 0, "a block is of whole groups");

typedef enum {
    VECTORS, /* a leaf has a value for each output, and the sums are doubles */
    DOUBLE,  /* a leaf has one value, for the output of its tree */
    SINGLE,  /* the same, and each sum is rounded to a float */
} Sums;

typedef struct {
    bool narrow, missing, sets;
    Sums sums;
} Form;

/* The node after `at` for the row whose first key is *keys. */
COPIED uint32_t next_node(const void *tree, uint32_t at, const uint32_t *keys,
                          const uint32_t *sets, const Form form)
{
    const Node node = read_node(tree, at, form.narrow);
    const uint32_t key = keys[node.column];

    if (form.sets && node.by_set) { /* a key of such a feature is never MISSING */
        return node.left + 1 - (sets[node.threshold + (key >> 5)] >> (key & 31) & 1);
    }
    /* MISSING is above every threshold, and MISSING + 1 is zero. With 1 added, other keys and the
     * thresholds keep their order. */
    const uint32_t one = form.missing ? node.missing_left : 0;
    return node.left + 1 - (key + one <= node.threshold + one);
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

/* LANES rows, from the nodes `starts` of one tree to their leaves, which are at most `depth` steps
 * away; `keys` are theirs. */
COPIED void walk_rows(const void *tree, int32_t depth, const uint32_t *starts, const uint32_t *keys,
                      const uint32_t *sets, uint32_t *leaves, const Form form)
{
    uint32_t at[LANES];
    int32_t steps = fewer(depth, FIRST_SPELL);

    for (int lane = 0; lane < LANES; lane++) {
        at[lane] = starts[lane];
    }
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

/* Adds the leaves that `count` rows have reached in a tree to their sums. */
COPIED void add_rows(const Trees *self, const Tree *tree, const uint32_t *leaves, const int count,
                     double *sums, const Form form)
{
    for (int row = 0; row < count; row++) {
        add_leaf(self, tree, leaves[row], sums + row * self->outputs, form);
    }
}

/* All rows of a block walk one tree after the other. */
COPIED void sum_block(const Trees *self, const uint32_t *keys, int count, double *sums,
                      const Form form)
{
    static const uint32_t roots[LANES] = {0};
    const uint32_t *sets = self->sets;
    Block block = {NULL, NULL, 0};

    if (!form.missing) {
        block = block_of(self, keys, count);
    }
    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        const Tree *tree = self->trees + index;
        const char *nodes = self->nodes + tree->root * (Py_ssize_t)node_size(self);
        const uint32_t *lane_keys = keys;
        int32_t depth = tree->depth;
        Fetching next = fetching_of(self, index + 1, count);

        if (block.columns != NULL) {
            find_starts(self->upper + index, &block, count);
            depth -= fewer(depth, UPPER_LEVELS);
        }

        for (int first = 0; first < count; first += LANES, lane_keys += LANES * self->features) {
            uint32_t leaves[LANES];
            int lanes = fewer(count - first, LANES);

            fetch(&next);
            const uint32_t *starts = block.columns == NULL ? roots : block.starts + first;
            walk_rows(nodes, depth, starts, lane_keys, sets, leaves, form);
            double *row_sums = sums + first * self->outputs;
            if (lanes == LANES) { /* a constant, so that the compiler unrolls the loop */
                add_rows(self, tree, leaves, LANES, row_sums, form);
            } else {
                add_rows(self, tree, leaves, lanes, row_sums, form);
            }
        }
    }
    free_block(&block);
}

/* A row's walk of one of the trees that it walks side by side. */
typedef struct {
    const char *nodes;
    uint32_t at;
    uint32_t lane; /* which tree of its group it is */
} Walk;

/* Writes the leaves of the walks that have ended, and moves the others to the front. Returns how
 * many these are. */
COPIED int end_walks(Walk *walks, int count, uint32_t *leaves, const bool narrow)
{
    int left = 0;

    for (int index = 0; index < count; index++) {
        const Walk walk = walks[index];
        leaves[walk.lane] = read_leaf(walk.nodes, walk.at, narrow);
        walks[left] = walk;
        left += read_node(walk.nodes, walk.at, narrow).left != walk.at;
    }
    return left;
}

/* One row, from the roots of `count` trees, GROUP_TREES at most, to their leaves. All walks take as
 * many steps as a leaf is deep in the mean; then only those under way go on. */
COPIED void walk_trees(const Trees *self, const Tree *trees, int count, const uint32_t *keys,
                       uint32_t *leaves, const Form form)
{
    const uint32_t *sets = self->sets;
    const size_t size = form.narrow ? sizeof(NarrowNode) : sizeof(WideNode);
    int32_t depth = self->depth, steps = self->leaf_depth;
    int under_way = count;
    Walk walks[GROUP_TREES];

    for (int lane = 0; lane < count; lane++) {
        const char *nodes = self->nodes + (size_t)trees[lane].root * size;
        walks[lane] = (Walk){.nodes = nodes, .at = 0, .lane = (uint32_t)lane};
    }
    for (;;) {
        depth -= steps;
        for (; steps > 0; steps--) {
            for (int index = 0; index < under_way; index++) {
                Walk *walk = walks + index;
                walk->at = next_node(walk->nodes, walk->at, keys, sets, form);
            }
        }
        if (depth == 0) {
            break;
        }
        under_way = end_walks(walks, under_way, leaves, form.narrow);
        steps = fewer(depth, SPELL);
    }
    for (int index = 0; index < under_way; index++) {
        const Walk *walk = walks + index;
        leaves[walk->lane] = read_leaf(walk->nodes, walk->at, form.narrow);
    }
}

/* Adds the leaves that a row has reached in a group of trees, in the order of the trees. The sum
 * stays in a register: in memory, each addition would wait for the one before to be stored. */
COPIED void add_leaves(const Trees *self, const Tree *trees, const uint32_t *leaves, int count,
                       double *sums, const Form form)
{
    if (form.sums != VECTORS && self->outputs > 1) {
        for (int lane = 0; lane < count; lane++) {
            add_leaf(self, trees + lane, leaves[lane], sums, form);
        }
    } else if (form.sums == SINGLE) {
        float sum = (float)sums[0];
        for (int lane = 0; lane < count; lane++) {
            sum += (float)self->values[trees[lane].leaf + (Py_ssize_t)leaves[lane]];
        }
        sums[0] = sum;
    } else {
        for (Py_ssize_t output = 0; output < self->outputs; output++) {
            const double *values = self->values + output;
            double sum = sums[output];
            for (int lane = 0; lane < count; lane++) {
                sum += values[(trees[lane].leaf + (Py_ssize_t)leaves[lane]) * self->outputs];
            }
            sums[output] = sum;
        }
    }
}

/* One row walks groups of trees side by side; its sums are still made in the order of trees. */
COPIED void sum_row(const Trees *self, const uint32_t *keys, double *sums, const Form form)
{
    uint32_t leaves[GROUP_TREES];

    for (Py_ssize_t first = 0; first < self->tree_count; first += GROUP_TREES) {
        const Tree *trees = self->trees + first;
        Py_ssize_t rest = self->tree_count - first;
        int count = rest < GROUP_TREES ? (int)rest : GROUP_TREES;

        walk_trees(self, trees, count, keys, leaves, form);
        add_leaves(self, trees, leaves, count, sums, form);
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

/* Adds the leaf values of `count` rows, whose first key is *keys, to their sums. */
typedef void Sum(const Trees *trees, const uint32_t *keys, int count, double *sums);

/* Defines the function of a form. */
#define SUM(name, narrow, missing, sets, sums_)                                                    \
    static void name(const Trees *trees, const uint32_t *keys, int count, double *sums)            \
    {                                                                                              \
        sum_rows(trees, keys, count, sums, (Form){narrow, missing, sets, sums_});                  \
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

#endif
