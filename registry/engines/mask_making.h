/*
 * Makes the masks of `leaf_masks.h` from packed trees.
 */

#ifndef HOTSWAP_MASK_MAKING_H
#define HOTSWAP_MASK_MAKING_H

#include "boosting_keys.h"
#include "leaf_masks.h"
#include "tree_packing.h"

enum {
    /* With fewer trees for each column, or more columns than MASK_COLUMNS, walks are faster. */
    TREES_OF_COLUMN = 4,
    /* The keys of all columns of categories together: each may need a row. */
    MASK_CATEGORIES = 256,
    /* A key has up to this many single masks, or a quarter as many as there are trees. With fewer,
     * evaluation takes a little less time, and the rows much more memory. */
    FEW_SINGLES = 16,
};

static inline int leaves_of(const Trees *trees, Py_ssize_t index)
{
    const Tree *tree = trees->trees + index;
    const Py_ssize_t end = index + 1 < trees->tree_count ? tree[1].leaf : trees->leaf_count;

    return (int)(end - tree->leaf);
}

/* Whether masks are faster than walks of these trees, in a reasonable amount of memory. */
static inline bool masks_pay(const Trees *trees, const Columns *columns)
{
    Py_ssize_t categories = 0;

    if (trees->tree_count > MASK_TREES || columns->count > MASK_COLUMNS ||
        columns->count * TREES_OF_COLUMN > trees->tree_count) {
        return false;
    }
    for (Py_ssize_t place = 0; place < columns->count; place++) {
        const Column *column = columns->columns + place;
        categories += column->kind >= FIRST_CATEGORY ? (Py_ssize_t)keys_of(column) : 0;
    }
    for (Py_ssize_t index = 0; index < trees->tree_count; index++) {
        if (leaves_of(trees, index) > MASK_LEAVES) {
            return false;
        }
    }
    return categories <= MASK_CATEGORIES;
}

typedef struct {
    uint64_t mask; /* where the row goes right */
    uint32_t tree, column, threshold;
    bool missing_left;
} MaskNode;

/* The inner nodes of all trees, by column and threshold, and the masks that they become. */
typedef struct {
    LeafMasks *masks;
    Trees *trees;
    const Columns *columns;
    MaskNode *nodes;
    size_t count;
    uint32_t row_count, single_count;
    uint32_t most; /* singles of a key */
} MaskMaker;

static inline int by_column(const void *left, const void *right)
{
    const MaskNode *a = left, *b = right;

    if (a->column != b->column) {
        return a->column < b->column ? -1 : 1;
    }
    return a->threshold < b->threshold ? -1 : a->threshold > b->threshold;
}

/* Adds the inner nodes of a tree, and puts its leaf values in order from the left. */
static inline void add_nodes(MaskMaker *self, Py_ssize_t index)
{
    const Trees *trees = self->trees;
    const int count = 2 * leaves_of(trees, index) - 1;
    const char *packed = trees->nodes + trees->trees[index].root * (Py_ssize_t)node_size(trees);
    double *values = trees->values + trees->trees[index].leaf, ordered[MASK_LEAVES];
    uint32_t leaves[2 * MASK_LEAVES]; /* of the subtree of each node; children follow their parent */
    uint32_t first[2 * MASK_LEAVES];  /* and the number of leaves to its left */

    for (int at = count - 1; at >= 0; at--) {
        uint32_t left = read_node(packed, (uint32_t)at, trees->narrow).left;
        leaves[at] = left == (uint32_t)at ? 1 : leaves[left] + leaves[left + 1];
    }
    first[0] = 0;
    for (uint32_t at = 0; at < (uint32_t)count; at++) {
        const Node node = read_node(packed, at, trees->narrow);
        if (node.left == at) {
            ordered[first[at]] = values[read_leaf(packed, at, trees->narrow)];
            continue;
        }
        first[node.left] = first[at];
        first[node.left + 1] = first[at] + leaves[node.left];
        self->nodes[self->count++] = (MaskNode){
            .mask = ~((((uint64_t)1 << leaves[node.left]) - 1) << first[at]),
            .tree = (uint32_t)index,
            .column = (uint32_t)(node.column / LANES),
            .threshold = node.threshold,
            .missing_left = node.missing_left,
        };
    }
    memcpy(values, ordered, leaves[0] * sizeof *values);
}

static inline void add_single(MaskMaker *self, const MaskNode *node)
{
    self->masks->singles[self->single_count++] =
        (SingleMask){.mask = node->mask, .tree = node->tree};
}

/* A new row that excludes what the single masks from `first` to `end` exclude. */
static inline uint32_t add_row(MaskMaker *self, uint32_t first, uint32_t end)
{
    const size_t width = self->masks->width;
    uint64_t *row = self->masks->rows + self->row_count * width;

    memset(row, 0xff, width * sizeof *row);
    for (const SingleMask *single = self->masks->singles + first;
         single < self->masks->singles + end; single++) {
        row[single->tree] &= single->mask;
    }
    return self->row_count++;
}

/* What the single masks from `first` to the last exclude. */
static inline Exclusion exclude(MaskMaker *self, uint32_t first)
{
    const uint32_t count = self->single_count - first;

    if (count <= self->most) {
        return (Exclusion){.row = 0, .first = first, .count = count};
    }
    uint32_t row = add_row(self, first, self->single_count);
    self->single_count = first;
    return (Exclusion){.row = row, .first = 0, .count = 0};
}

/* For each key of a column of categories, whose nodes are from `nodes` to `end`. */
static inline Exclusion *exclude_categories(MaskMaker *self, const MaskNode *nodes,
                                            const MaskNode *end, uint32_t keys, Exclusion *made)
{
    for (uint32_t key = 0; key < keys; key++) {
        const uint32_t first = self->single_count;
        for (const MaskNode *node = nodes; node < end; node++) {
            if (!(self->trees->sets[node->threshold + (key >> 5)] >> (key & 31) & 1)) {
                add_single(self, node);
            }
        }
        *made++ = exclude(self, first);
    }
    return made;
}

/* For each key of a column of numbers, and for MISSING. A key excludes what the key before it does
 * and more, so these share their single masks, and the next row is made after each `most` of them. */
static inline Exclusion *exclude_numbers(MaskMaker *self, const MaskNode *nodes,
                                         const MaskNode *end, uint32_t length, Exclusion *made)
{
    const uint32_t start = self->single_count;
    uint32_t row = 0, first = start, last = start;

    for (const MaskNode *node = nodes; node < end; node++) {
        add_single(self, node);
    }
    for (uint32_t key = 0; key <= length; key++) {
        while (nodes + (last - start) < end && nodes[last - start].threshold < key) {
            last++;
        }
        if (last - first > self->most) {
            row = add_row(self, start, last);
            first = last;
        }
        *made++ = (Exclusion){.row = row, .first = first, .count = last - first};
    }
    first = self->single_count;
    for (const MaskNode *node = nodes; node < end; node++) {
        if (!node->missing_left) {
            add_single(self, node);
        }
    }
    *made++ = exclude(self, first);
    return made;
}

/* Makes the masks of the nodes of each column, which are sorted. */
static inline void exclude_all(MaskMaker *self)
{
    const Columns *columns = self->columns;
    const MaskNode *from = self->nodes, *last = self->nodes + self->count;
    Exclusion *made = self->masks->exclusions;

    add_row(self, 0, 0);
    for (Py_ssize_t place = 0; place < columns->count; place++) {
        const Column *column = columns->columns + place;
        const MaskNode *end = from;
        while (end < last && end->column == (uint32_t)place) {
            end++;
        }
        self->masks->last_keys[place] = keys_of(column) - 1;
        if (column->kind >= FIRST_CATEGORY) {
            made = exclude_categories(self, from, end, keys_of(column), made);
        } else {
            made = exclude_numbers(self, from, end, (uint32_t)column->length, made);
        }
        from = end;
    }
}

/* Room for the most that can be made. Returns false with an exception set. */
static inline bool allocate_masks(MaskMaker *self)
{
    LeafMasks *masks = self->masks;
    const size_t columns = (size_t)self->columns->count;
    const size_t trees = (size_t)self->trees->tree_count;
    const size_t nodes = (size_t)self->trees->leaf_count - trees;
    size_t keys = 0, lists = 0; /* lists: of single masks that belong to one key alone */

    for (size_t place = 0; place < columns; place++) {
        const Column *column = self->columns->columns + place;
        keys += keys_of(column);
        lists += column->kind >= FIRST_CATEGORY ? keys_of(column) : 1;
    }
    masks->width = (trees + MASKS_AT_ONCE - 1) / MASKS_AT_ONCE * MASKS_AT_ONCE;
    masks->rows = malloc((1 + nodes / self->most + lists) * masks->width * sizeof *masks->rows);
    masks->singles = malloc((1 + 2 * nodes + lists * self->most) * sizeof *masks->singles);
    masks->exclusions = malloc(keys * sizeof *masks->exclusions);
    masks->last_keys = malloc(columns * sizeof *masks->last_keys);
    self->nodes = malloc((1 + nodes) * sizeof *self->nodes);
    if (masks->rows == NULL || masks->singles == NULL || masks->exclusions == NULL ||
        masks->last_keys == NULL || self->nodes == NULL) {
        PyErr_NoMemory();
        return false;
    }
    self->trees->bytes += keys * sizeof *masks->exclusions + columns * sizeof *masks->last_keys;
    return true;
}

/* Gives back the room that was not used, and the nodes, which nothing walks any more. */
static inline void shrink(MaskMaker *self)
{
    LeafMasks *masks = self->masks;
    const size_t rows = self->row_count * masks->width * sizeof *masks->rows;
    const size_t singles = (1 + self->single_count) * sizeof *masks->singles;
    void *smaller = realloc(masks->rows, rows);

    masks->rows = smaller == NULL ? masks->rows : smaller;
    smaller = realloc(masks->singles, singles);
    masks->singles = smaller == NULL ? masks->singles : smaller;
    self->trees->bytes += rows + singles;
    free_nodes(self->trees);
}

/* Makes the masks of the trees instead of their nodes, if that pays. The caller calls `free_masks` in
 * the end. Returns false with an exception set. */
static inline bool make_masks(LeafMasks *masks, Trees *trees, const Columns *columns)
{
    if (!masks_pay(trees, columns)) {
        return true;
    }
    const uint32_t quarter = (uint32_t)trees->tree_count / 4;
    MaskMaker maker = {
        .masks = masks,
        .trees = trees,
        .columns = columns,
        .most = quarter > FEW_SINGLES ? quarter : FEW_SINGLES,
    };
    const bool done = allocate_masks(&maker);
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t index = 0; index < trees->tree_count; index++) {
            add_nodes(&maker, index);
        }
        qsort(maker.nodes, maker.count, sizeof *maker.nodes, by_column);
        exclude_all(&maker);
        shrink(&maker);
        Py_END_ALLOW_THREADS
    }
    free(maker.nodes);
    return done;
}

#endif
