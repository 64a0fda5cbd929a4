/*
 * registry.codecs.thrift_kernel: reads structs in Thrift's compact protocol. thrift_compact.py has
 * the same in Python, with the same results and errors, and says what is refused.
 *
 * The bytes come from an attacker. `byte` is the only function that reads them. A position is never
 * beyond their end: where a value is longer than what is left of them, its end is theirs, and
 * whatever follows it, at least the end of the struct, is missing.
 */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TRUE_ = 1, FALSE_, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = 12 };

enum { MAX_DEPTH = 10, MAX_FIELD = 32767, LONG_LIST = 15, VARINT_BITS = 70 };

typedef struct {
    const unsigned char *data;
    Py_ssize_t size, at;
    Py_ssize_t left; /* of the values that the struct may have */
} Reader;

/* The numbers of the fields that a struct has so far. Numbers from 64 on are rare: Parquet has them
 * for extensions. */
typedef struct {
    uint64_t low;
    bool has_high;
    uint64_t high[(MAX_FIELD + 1) / 64];
} Seen;

/* Every function below that returns false or NULL has set an exception. */

static bool read_fields(Reader *reader, PyObject *wanted, PyObject *fields, int depth);

static bool invalid(const char *why)
{
    PyErr_SetString(PyExc_ValueError, why);
    return false;
}

static bool byte(Reader *reader, unsigned *value)
{
    if (reader->at >= reader->size) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return false;
    }
    *value = reader->data[reader->at++];
    return true;
}

static bool advance(Reader *reader, uint64_t size)
{
    uint64_t rest = (uint64_t)(reader->size - reader->at);
    reader->at += (Py_ssize_t)(size < rest ? size : rest);
    return true;
}

static bool count(Reader *reader, uint64_t values)
{
    if (values > (uint64_t)reader->left)
        return invalid("it has too many values");
    reader->left -= (Py_ssize_t)values;
    return true;
}

static bool read_unsigned(Reader *reader, uint64_t *number)
{
    unsigned value;

    *number = 0;
    for (int shift = 0; shift < VARINT_BITS; shift += 7) {
        if (!byte(reader, &value))
            return false;
        if (shift == 63 && value > 1)
            break;
        *number |= (uint64_t)(value & 127) << shift;
        if (value < 128)
            return true;
    }
    return invalid("a number is too long");
}

static bool read_integer(Reader *reader, int64_t *number)
{
    uint64_t zigzag;

    if (!read_unsigned(reader, &zigzag))
        return false;
    *number = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
    return true;
}

static bool read_list(Reader *reader, unsigned *item, uint64_t *size)
{
    unsigned head;

    if (!byte(reader, &head))
        return false;
    *item = head & 15;
    *size = head >> 4;
    if (*size == LONG_LIST && !read_unsigned(reader, size))
        return false;
    return count(reader, *size);
}

static bool skip(Reader *reader, unsigned kind, int depth)
{
    uint64_t number;
    unsigned item;

    if (depth < 0)
        return invalid("its values are nested too deeply");
    switch (kind) {
    case BYTE:
        return advance(reader, 1);
    case DOUBLE:
        return advance(reader, 8);
    case I16:
    case I32:
    case I64:
        return read_unsigned(reader, &number);
    case BINARY:
        return read_unsigned(reader, &number) && advance(reader, number);
    case STRUCT:
        return read_fields(reader, NULL, NULL, depth);
    case LIST:
    case SET:
        if (!read_list(reader, &item, &number))
            return false;
        if (item == TRUE_ || item == FALSE_) /* takes a byte in a list, none in a struct */
            return advance(reader, number);
        while (number > 0 && skip(reader, item, depth - 1))
            number--;
        return number == 0;
    default:
        PyErr_Format(PyExc_ValueError, "a field has the type %u", kind);
        return false;
    }
}

/* A dict of the `wanted` fields of the struct that is next. */
static PyObject *read_wanted(Reader *reader, PyObject *wanted, int depth)
{
    PyObject *fields = PyDict_New();

    if (fields != NULL && !read_fields(reader, wanted, fields, depth))
        Py_CLEAR(fields);
    return fields;
}

static PyObject *read_structs(Reader *reader, PyObject *wanted, int depth)
{
    unsigned item;
    uint64_t size;

    if (!read_list(reader, &item, &size))
        return NULL;
    if (item != STRUCT) {
        invalid("a list has items of another type");
        return NULL;
    }
    /* Not made with `size` places at once, which `data` need not have items for. */
    PyObject *structs = PyList_New(0);
    for (; structs != NULL && size > 0; size--) {
        PyObject *fields = read_wanted(reader, wanted, depth);
        if (fields == NULL || PyList_Append(structs, fields) < 0)
            Py_CLEAR(structs);
        Py_XDECREF(fields);
    }
    return structs;
}

/* The value that is next, of a field that is wanted as `inner`: the type of an integer, the fields
 * of a struct, or those of the structs in a list in a tuple. */
static PyObject *read_value(Reader *reader, unsigned kind, PyObject *inner, int depth)
{
    if (PyDict_Check(inner) && kind == STRUCT)
        return read_wanted(reader, inner, depth);
    if (PyTuple_Check(inner) && PyTuple_Size(inner) == 1 && kind == LIST)
        return read_structs(reader, PyTuple_GetItem(inner, 0), depth);
    if (PyLong_Check(inner) && (kind == I16 || kind == I32 || kind == I64)) {
        int64_t number;
        long type = PyLong_AsLong(inner);
        if (type == -1 && PyErr_Occurred())
            return NULL;
        if (type == (long)kind)
            return read_integer(reader, &number) ? PyLong_FromLongLong(number) : NULL;
    }
    invalid("a field has another type");
    return NULL;
}

/* Reads the next value into `fields` if `wanted` has its number, else skips it. */
static bool read_field(Reader *reader, PyObject *wanted, PyObject *fields, unsigned kind,
                       int64_t number, int depth)
{
    PyObject *inner = NULL, *value = NULL, *key = wanted == NULL ? NULL : PyLong_FromLongLong(number);
    bool is_read = false;

    if (key != NULL)
        inner = PyDict_GetItemWithError(wanted, key);
    if (inner != NULL) {
        Py_INCREF(inner); /* the garbage collector may run other code, which could replace it */
        value = read_value(reader, kind, inner, depth);
        is_read = value != NULL && PyDict_SetItem(fields, key, value) == 0;
    } else if ((key != NULL || wanted == NULL) && !PyErr_Occurred()) {
        is_read = kind == TRUE_ || kind == FALSE_ || skip(reader, kind, depth);
    }
    Py_XDECREF(value);
    Py_XDECREF(inner);
    Py_XDECREF(key);
    return is_read;
}

/* Returns whether `number`, from 1 to MAX_FIELD, is new. */
static bool add(Seen *seen, int64_t number)
{
    uint64_t *place = &seen->low, bit = (uint64_t)1 << (number % 64);

    if (number >= 64) {
        if (!seen->has_high) {
            memset(seen->high, 0, sizeof seen->high);
            seen->has_high = true;
        }
        place = &seen->high[number / 64];
    }
    if (*place & bit)
        return false;
    *place |= bit;
    return true;
}

static bool read_fields(Reader *reader, PyObject *wanted, PyObject *fields, int depth)
{
    Seen seen;
    int64_t number = 0;
    unsigned head;

    if (depth <= 0)
        return invalid("its values are nested too deeply");
    seen.low = 0;
    seen.has_high = false;
    while (byte(reader, &head)) {
        if (head == 0)
            return true;
        if (head > 15) {
            number += head >> 4;
        } else if (!read_integer(reader, &number)) {
            return false;
        }
        if (number <= 0 || number > MAX_FIELD || !add(&seen, number))
            return invalid("a field is repeated or out of range");
        if (!read_field(reader, wanted, fields, head & 15, number, depth - 1) ||
            !count(reader, 1)) {
            return false;
        }
    }
    return false;
}

static PyObject *read_struct(PyObject *module, PyObject *arguments)
{
    PyObject *data, *wanted;
    Reader reader = {0};

    (void)module;
    if (!PyArg_ParseTuple(arguments, "SO!n", &data, &PyDict_Type, &wanted, &reader.left))
        return NULL;
    reader.data = (const unsigned char *)PyBytes_AsString(data);
    reader.size = PyBytes_Size(data);
    if (reader.left < 0)
        reader.left = 0;
    PyObject *fields = read_wanted(&reader, wanted, MAX_DEPTH);
    return fields == NULL ? NULL : Py_BuildValue("Nn", fields, reader.at);
}

static PyMethodDef functions[] = {
    {"read_struct", read_struct, METH_VARARGS, "As thrift_compact.read_struct."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "registry.codecs.thrift_kernel",
    .m_doc = "Reads structs in Thrift's compact protocol.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_thrift_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
