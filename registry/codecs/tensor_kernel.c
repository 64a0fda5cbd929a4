/*
 * registry.codecs.tensor_kernel: reads the elements of BYTES tensors. tensor_texts.py has the same
 * in Python, with the same results, and says what is refused.
 *
 * The bytes come from an attacker. An element is read only after its length was compared with what
 * is left of them.
 */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { LENGTH_BYTES = 4, KNOWN = 64 };

/* A text that was read before, and its bytes. Columns repeat few texts, which then share a string. */
typedef struct {
    const unsigned char *bytes;
    size_t size;
    PyObject *text; /* borrowed from the list of results; NULL: none */
} Known;

static Known *place_of(Known *known, const unsigned char *bytes, size_t size)
{
    size_t hash = size * 31;
    if (size > 0)
        hash += (size_t)bytes[0] * 7 + bytes[size / 2] * 3 + bytes[size - 1];
    return &known[hash % KNOWN];
}

static PyObject *text_of(Known *known, const unsigned char *bytes, size_t size)
{
    Known *place = place_of(known, bytes, size);
    if (place->text != NULL && place->size == size && memcmp(place->bytes, bytes, size) == 0)
        return Py_NewRef(place->text);
    PyObject *text = PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)size, NULL);
    if (text != NULL)
        *place = (Known){bytes, size, text};
    return text;
}

static size_t length_at(const unsigned char *bytes)
{
    return (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 |
           (size_t)bytes[3] << 24;
}

static PyObject *list_of(const unsigned char *bytes, size_t size, size_t at, size_t count)
{
    Known known[KNOWN] = {0};
    /* Each element takes at least its length, so this limits the list. */
    if (at > size || count > (size - at) / LENGTH_BYTES) {
        PyErr_SetString(PyExc_ValueError, "fewer elements than expected");
        return NULL;
    }
    PyObject *texts = PyList_New((Py_ssize_t)count);
    if (texts == NULL)
        return NULL;
    for (size_t index = 0; index < count; index++) {
        if (size - at < LENGTH_BYTES)
            goto ends_early;
        size_t length = length_at(bytes + at);
        at += LENGTH_BYTES;
        if (length > size - at)
            goto ends_early;
        PyObject *text = text_of(known, bytes + at, length);
        if (text == NULL) {
            Py_DECREF(texts);
            return NULL;
        }
        at += length;
        if (PyList_SetItem(texts, (Py_ssize_t)index, text) < 0) { /* takes the reference */
            Py_DECREF(texts);
            return NULL;
        }
    }
    return Py_BuildValue("Nn", texts, (Py_ssize_t)at);

ends_early:
    Py_DECREF(texts);
    PyErr_SetString(PyExc_ValueError, "an element is longer than what is left");
    return NULL;
}

static PyObject *read_texts(PyObject *module, PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t at, count;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*nn", &data, &at, &count))
        return NULL;
    PyObject *result = NULL;
    if (at < 0 || count < 0)
        PyErr_SetString(PyExc_ValueError, "a negative position or count");
    else
        result = list_of(data.buf, (size_t)data.len, (size_t)at, (size_t)count);
    PyBuffer_Release(&data);
    return result;
}

static PyMethodDef functions[] = {
    {"read_texts", read_texts, METH_VARARGS, "As tensor_texts.read_in_python."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "registry.codecs.tensor_kernel",
    .m_doc = "Reads the elements of BYTES tensors.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_tensor_kernel(void)
{
    return PyModuleDef_Init(&module_definition);
}
