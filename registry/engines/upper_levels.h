/*
 * Finds the nodes that rows are at after the upper levels of a tree, eight rows at a time.
 *
 * The upper nodes are few: it takes less time to compare all rows with each of them, and to choose
 * among the results, than to walk. Needs AVX2; walks begin at the roots where a processor lacks it.
 */

#ifndef HOTSWAP_UPPER_LEVELS_H
#define HOTSWAP_UPPER_LEVELS_H

#include "trees.h"

#if defined(__GNUC__) && defined(__x86_64__)
#define HAS_VECTORS 1
#include <immintrin.h>
#else
#define HAS_VECTORS 0
#endif

enum {
    VECTOR_ROWS = 8,
    /* For fewer rows it takes longer to lay out their keys by feature. */
    UPPER_ROWS = 64,
    KEY_SIGN = INT_MIN, /* with it, signed numbers have the order of the keys */
};

/* The nodes of a level follow those of the one above. A leaf has the next level below it twice. */
struct UpperLevels {
    int32_t thresholds[UPPER_ENDS - 1]; /* signed, as KEY_SIGN makes them; of a leaf, any */
    int32_t features[UPPER_ENDS - 1];
    uint32_t ends[UPPER_ENDS]; /* the nodes below the last level, from the left */
};

static inline void find_upper_levels(const Trees *self, const Tree *tree, UpperLevels *upper)
{
    const char *nodes = self->nodes + tree->root * (Py_ssize_t)node_size(self);
    uint32_t places[2 * UPPER_ENDS] = {0}; /* of all nodes, the ends included */

    for (int index = 0; index < UPPER_ENDS - 1; index++) {
        const uint32_t at = places[index];
        const Node node = read_node(nodes, at, self->narrow);
        upper->thresholds[index] = (int32_t)(node.threshold ^ (uint32_t)KEY_SIGN);
        upper->features[index] = (int32_t)(node.column / LANES);
        places[2 * index + 1] = node.left;
        places[2 * index + 2] = node.left == at ? at : node.left + 1;
    }
    memcpy(upper->ends, places + UPPER_ENDS - 1, sizeof upper->ends);
}

/* Makes `upper` of packed trees, unless the processor has no AVX2, or the trees are so small that it
 * would be larger than they are. Returns false if there is no memory. */
static inline bool make_upper_levels(Trees *self)
{
#if HAS_VECTORS
    const size_t bytes = (size_t)self->tree_count * sizeof *self->upper;

    if (!__builtin_cpu_supports("avx2") || bytes > self->node_bytes) {
        return true;
    }
    self->upper = malloc(bytes);
    if (self->upper == NULL) {
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t index = 0; index < self->tree_count; index++) {
        find_upper_levels(self, self->trees + index, self->upper + index);
    }
    Py_END_ALLOW_THREADS
    self->bytes += bytes;
#endif
    return true;
}

/* The keys of a block by feature, and where its rows are in the tree that they are to walk. */
typedef struct {
    int32_t *columns; /* NULL: walks begin at the roots */
    uint32_t *starts; /* of whole groups of LANES rows */
    Py_ssize_t stride; /* from a feature's keys to the next one's: an odd number of vectors, so that
                        * they do not all compete for the same places of the cache */
} Block;

/* The keys of `count` rows by feature, which `free_block` frees. */
static inline Block block_of(const Trees *self, const uint32_t *keys, int count)
{
    Block block = {NULL, NULL, ((count + VECTOR_ROWS - 1) / VECTOR_ROWS | 1) * VECTOR_ROWS};
    const size_t room = (size_t)(self->features * block.stride), starts = (size_t)count + LANES;

    if (self->upper == NULL || count < UPPER_ROWS) {
        return block;
    }
    block.columns = calloc(room + starts + VECTOR_ROWS, sizeof *block.columns);
    if (block.columns == NULL) {
        return block; /* nothing but slower */
    }
    block.starts = (uint32_t *)(block.columns + room);
    for (int first = 0; first < count; first += LANES) {
        const int lanes = count - first < LANES ? count - first : LANES;
        for (Py_ssize_t feature = 0; feature < self->features; feature++, keys += LANES) {
            int32_t *column = block.columns + feature * block.stride + first;
            for (int lane = 0; lane < lanes; lane++) {
                column[lane] = (int32_t)(keys[lane] ^ (uint32_t)KEY_SIGN);
            }
        }
    }
    return block;
}

static inline void free_block(Block *block)
{
    free(block->columns);
}

/* Fills the starts of `count` rows in the tree that `upper` is of. None may have a MISSING key. */
#if HAS_VECTORS
__attribute__((target("avx2"))) static void find_starts(const UpperLevels *upper,
                                                        const Block *block, int count)
{
    const __m256i left_ends = _mm256_loadu_si256((const __m256i *)upper->ends);
    const __m256i right_ends = _mm256_loadu_si256((const __m256i *)(upper->ends + VECTOR_ROWS));

    for (int first = 0; first < count; first += VECTOR_ROWS) {
        const int32_t *columns = block->columns + first;
        __m256i right[UPPER_ENDS - 1], turns[UPPER_LEVELS], place = _mm256_setzero_si256();

        /* All ones where a row would go right at a node. */
#pragma GCC unroll 16
        for (int node = 0; node < UPPER_ENDS - 1; node++) {
            const int32_t *keys = columns + upper->features[node] * block->stride;
            right[node] = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)keys),
                                             _mm256_set1_epi32(upper->thresholds[node]));
        }
#pragma GCC unroll 4
        for (int level = 0; level < UPPER_LEVELS; level++) {
            __m256i *nodes = right + (1 << level) - 1;
            /* Of the nodes of the level each turn above leaves half. */
#pragma GCC unroll 4
            for (int above = level - 1; above >= 0; above--) {
                for (int pair = 0; pair < 1 << above; pair++) {
                    nodes[pair] =
                        _mm256_blendv_epi8(nodes[2 * pair], nodes[2 * pair + 1], turns[above]);
                }
            }
            turns[level] = nodes[0];
            place = _mm256_sub_epi32(_mm256_add_epi32(place, place), turns[level]);
        }
        /* The permutations look at the lowest three bits of a place. */
        const __m256i end = _mm256_blendv_epi8(_mm256_permutevar8x32_epi32(left_ends, place),
                                               _mm256_permutevar8x32_epi32(right_ends, place),
                                               turns[0]);
        _mm256_storeu_si256((__m256i *)(block->starts + first), end);
    }
}
#else
static inline void find_starts(const UpperLevels *upper, const Block *block, int count)
{
    (void)upper, (void)block, (void)count; /* there are no upper levels then */
}
#endif

#endif
