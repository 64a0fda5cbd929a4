/*
 * registry.splits.key_kernel: hashes the keys of requests and finds the versions that answer them.
 * key_places.py has the same in Python, with the same results.
 *
 * BLAKE2b as in RFC 7693, with a key of 16 bytes and a hash of 16. The state after the block of the
 * key is made once for each split, so that a key of up to 128 bytes takes one compression. The keys
 * come from callers: their length is checked before they are copied.
 */

#include "../kernel.h"

enum {
    BLOCK = 128, /* bytes that BLAKE2b compresses at a time */
    WORDS = 8,   /* of its state */
    ROUNDS = 12,
    SALT = 16,
    HASH = 16,
    LONGEST_KEY = 256,
    FIRST_ROOM = 256,    /* hashes that there is memory for at first */
    MOST_HASHED = 65536, /* far more than are added between two reads */
};

typedef struct {
    PyObject_HEAD
    uint64_t keyed[WORDS]; /* the state after the block of the key */
    unsigned char *owners; /* for each bucket, the place of its version */
    uint64_t buckets;
    unsigned char (*hashed)[HASH]; /* those that nobody has taken yet */
    size_t count, room;
} KeyPlaces;

/* ---- BLAKE2b ------------------------------------------------------------------------------- */

static const uint64_t START[WORDS] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const unsigned char ORDER[ROUNDS][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

static inline uint64_t rotated(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotated(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotated(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 63);
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word = 0;
    for (int byte = 7; byte >= 0; byte--)
        word = word << 8 | bytes[byte];
    return word;
}

/* Add a block to `state`; `total`: bytes up to its end, without padding. */
static void compress(uint64_t *state, const unsigned char *block, uint64_t total, bool is_last)
{
    uint64_t v[16], words[16];

    for (int word = 0; word < 16; word++)
        words[word] = word_at(block + 8 * word);
    memcpy(v, state, WORDS * sizeof *state);
    memcpy(v + WORDS, START, sizeof START);
    v[12] ^= total;
    if (is_last)
        v[14] = ~v[14];
    for (int round = 0; round < ROUNDS; round++) {
        const unsigned char *at = ORDER[round];
        mix(v, 0, 4, 8, 12, words[at[0]], words[at[1]]);
        mix(v, 1, 5, 9, 13, words[at[2]], words[at[3]]);
        mix(v, 2, 6, 10, 14, words[at[4]], words[at[5]]);
        mix(v, 3, 7, 11, 15, words[at[6]], words[at[7]]);
        mix(v, 0, 5, 10, 15, words[at[8]], words[at[9]]);
        mix(v, 1, 6, 11, 12, words[at[10]], words[at[11]]);
        mix(v, 2, 7, 8, 13, words[at[12]], words[at[13]]);
        mix(v, 3, 4, 9, 14, words[at[14]], words[at[15]]);
    }
    for (int word = 0; word < WORDS; word++)
        state[word] ^= v[word] ^ v[word + WORDS];
}

/* The state after the block of the key, which a message follows. */
static void begin(uint64_t *state, const unsigned char *salt)
{
    unsigned char block[BLOCK] = {0};

    memcpy(state, START, sizeof START);
    state[0] ^= 0x01010000 | SALT << 8 | HASH; /* depth and fan-out 1 */
    memcpy(block, salt, SALT);
    compress(state, block, BLOCK, false);
}

/* The hash of a message of 1 to LONGEST_KEY bytes. */
static void hash_of(const uint64_t *keyed, const char *message, size_t size, unsigned char *hash)
{
    unsigned char block[BLOCK];
    uint64_t state[WORDS], total = BLOCK;

    memcpy(state, keyed, sizeof state);
    for (; size > BLOCK; size -= BLOCK, message += BLOCK) {
        memcpy(block, message, BLOCK);
        compress(state, block, total += BLOCK, false);
    }
    memcpy(block, message, size);
    memset(block + size, 0, BLOCK - size);
    compress(state, block, total + size, true);
    for (int byte = 0; byte < HASH; byte++)
        hash[byte] = (unsigned char)(state[byte / 8] >> 8 * (byte % 8));
}

/* ---- Python -------------------------------------------------------------------------------- */

/* Where the next hash is written; NULL with an exception set. The last place is used again when
 * there are MOST_HASHED. */
static unsigned char *next_hash(KeyPlaces *self)
{
    if (self->count == self->room && self->room < MOST_HASHED) {
        size_t room = self->room == 0 ? FIRST_ROOM : 2 * self->room;
        void *grown = realloc(self->hashed, room * sizeof *self->hashed);
        if (grown == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        self->hashed = grown;
        self->room = room;
    }
    if (self->count < self->room)
        self->count++;
    return self->hashed[self->count - 1];
}

static PyObject *place_of(PyObject *object, PyObject *key)
{
    KeyPlaces *self = (KeyPlaces *)object;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(key, &size);

    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) /* a surrogate */
            return NULL;
        PyErr_Clear();
        return PyLong_FromLong(-1);
    }
    /* Of other characters than ASCII each takes several bytes. */
    if (size < 1 || size > LONGEST_KEY || size != PyUnicode_GetLength(key))
        return PyLong_FromLong(-1);
    unsigned char *hash = next_hash(self);
    if (hash == NULL)
        return NULL;
    hash_of(self->keyed, text, (size_t)size, hash);
    return PyLong_FromLong(self->owners[word_at(hash) % self->buckets]);
}

static PyObject *take(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    KeyPlaces *self = (KeyPlaces *)object;
    PyObject *taken = PyBytes_FromStringAndSize((const char *)self->hashed,
                                                (Py_ssize_t)(self->count * HASH));
    if (taken != NULL)
        self->count = 0;
    return taken;
}

static PyObject *places_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"salt", "owners", NULL};
    const char *salt, *owners;
    Py_ssize_t salt_size, buckets;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y#y#:KeyPlaces", names, &salt, &salt_size,
                                     &owners, &buckets))
        return NULL;
    if (salt_size != SALT || buckets < 1) {
        PyErr_Format(PyExc_ValueError, "a salt of %zd bytes and %zd buckets", salt_size, buckets);
        return NULL;
    }
    KeyPlaces *self = allocate_object(type);
    if (self == NULL)
        return NULL;
    self->owners = malloc((size_t)buckets);
    if (self->owners == NULL) {
        Py_DECREF((PyObject *)self);
        return PyErr_NoMemory();
    }
    memcpy(self->owners, owners, (size_t)buckets);
    self->buckets = (uint64_t)buckets;
    begin(self->keyed, (const unsigned char *)salt);
    return (PyObject *)self;
}

static void places_dealloc(PyObject *object)
{
    free(((KeyPlaces *)object)->owners);
    free(((KeyPlaces *)object)->hashed);
    free_object(object);
}

static PyMethodDef methods[] = {
    {"place_of", place_of, METH_O, "As key_places.PythonKeyPlaces.place_of."},
    {"take", take, METH_NOARGS, "As key_places.PythonKeyPlaces.take."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)places_new},
    {Py_tp_dealloc, (void *)places_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, (void *)"As key_places.PythonKeyPlaces."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "registry.splits.key_kernel.KeyPlaces",
    .basicsize = sizeof(KeyPlaces),
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
    .m_name = "registry.splits.key_kernel",
    .m_doc = "Hashes the keys of requests and finds the versions that answer them.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_key_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
