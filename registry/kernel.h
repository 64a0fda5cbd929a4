/*
 * What the compiled kernels share: the settings of the compiler, access to the memory of other
 * objects, and the parts of a Python type that are the same in each.
 *
 * A kernel is a module in CPython's limited API: one build serves every Python from 3.11 on. It
 * knows numpy only through the buffer protocol (PEP 3118) and keeps no state outside its objects.
 *
 * The arrays may come from an attacker. A kernel checks and copies them once and then uses only the
 * copy. It reads each number from its array a single time, because another thread could write to
 * the array in between.
 */

#ifndef HOTSWAP_KERNEL_H
#define HOTSWAP_KERNEL_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Wider intermediate results, or a compiler that may reorder sums, would change the last bits. The
 * modules are optional: it is better not to compile than to predict almost correctly. */
#if FLT_EVAL_METHOD != 0
#error "float and double expressions must be evaluated in their own types"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math breaks the order of sums and the meaning of NaN"
#endif

enum {
    /* Less work than this, about 50 microseconds, keeps the interpreter's lock: to get it back from
     * busy threads can take a switch interval, a hundred times as long. */
    STEPS_WORTH_A_SWITCH = 32768,
};

/* Lets other threads run until `take_lock`, if that is worth it. */
static inline PyThreadState *release_lock(bool is_worth_it)
{
    return is_worth_it ? PyEval_SaveThread() : NULL;
}

static inline void take_lock(PyThreadState *released)
{
    if (released != NULL) {
        PyEval_RestoreThread(released);
    }
}

/* ---- Buffers ------------------------------------------------------------------------------- */

/* What an array must be like. */
typedef struct {
    const char *name;
    const char *formats; /* letters of Python's struct module */
    Py_ssize_t size;     /* of an item in bytes; 0: of a float or a double, as the format says */
    int dimensions;
    bool aligned;        /* each item at a multiple of its size; others are read by `load_…` */
} Array;

/* A C-contiguous buffer that fits `array`. Returns false with an exception set. */
static inline bool get_buffer(PyObject *object, const Array *array, bool writable, Py_buffer *view)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);

    if (PyObject_GetBuffer(object, view, flags) < 0) {
        /* numpy and memoryview raise different errors for the same fault. */
        if (PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "%s is not %scontiguous", array->name,
                         writable ? "writable and " : "");
        }
        return false;
    }
    const char *format = view->format == NULL ? "B" : view->format;
    Py_ssize_t size = array->size;
    if (size == 0) {
        size = (Py_ssize_t)(format[0] == 'd' ? sizeof(double) : sizeof(float));
    }
    if (view->ndim != array->dimensions) {
        PyErr_Format(PyExc_ValueError, "%s has %d dimensions, not %d", array->name, view->ndim,
                     array->dimensions);
    } else if (format[0] == '\0' || format[1] != '\0' ||
               strchr(array->formats, format[0]) == NULL || view->itemsize != size) {
        PyErr_Format(PyExc_ValueError, "%s has items of format '%s', not '%s' of %zd bytes",
                     array->name, format, array->formats, size);
    } else if (array->aligned && view->len > 0 && (uintptr_t)view->buf % (uintptr_t)size != 0) {
        PyErr_Format(PyExc_ValueError, "%s is not aligned", array->name);
    } else {
        return true;
    }
    PyBuffer_Release(view);
    return false;
}

/* The buffers of `count` objects. Returns how many it got: fewer than `count` with an exception
 * set. The caller releases them. */
static inline int get_buffers(PyObject *const *objects, const Array *arrays, int count,
                              Py_buffer *views)
{
    int held = 0;

    while (held < count && get_buffer(objects[held], arrays + held, false, views + held)) {
        held++;
    }
    return held;
}

static inline void release_buffers(Py_buffer *views, int held)
{
    while (held > 0) {
        PyBuffer_Release(&views[--held]);
    }
}

/* A copy of an array, with room for one item at least; NULL with an exception set. */
static inline void *copied(const Py_buffer *view)
{
    void *copy = calloc(1, view->len > 0 ? (size_t)view->len : 1);

    if (copy == NULL) {
        PyErr_NoMemory();
    } else if (view->len > 0) {
        memcpy(copy, view->buf, (size_t)view->len);
    }
    return copy;
}

/* memcpy compiles to a plain load, also where the processor requires alignment. */
static inline int32_t load_int32(const char *items, Py_ssize_t index)
{
    int32_t item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline int64_t load_int64(const char *items, Py_ssize_t index)
{
    int64_t item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline double load_double(const char *items, Py_ssize_t index)
{
    double item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline float load_float(const char *items, Py_ssize_t index)
{
    float item;
    memcpy(&item, items + index * (Py_ssize_t)sizeof item, sizeof item);
    return item;
}

static inline bool check_out(const Py_buffer *out, Py_ssize_t rows, Py_ssize_t columns)
{
    if (out->shape[0] != rows || out->shape[1] != columns) {
        PyErr_Format(PyExc_ValueError, "out is %zd x %zd, not %zd x %zd", out->shape[0],
                     out->shape[1], rows, columns);
        return false;
    }
    return true;
}

/* ---- Numbers ------------------------------------------------------------------------------- */

/* Room for `count` doubles: `few`, which has room for `size`, or memory that `free_doubles` frees.
 * NULL with an exception set. Most models need so few that nothing is allocated. */
static inline double *doubles(Py_ssize_t count, double *few, size_t size)
{
    double *room = few;

    if ((size_t)count > size) {
        room = malloc((size_t)count * sizeof *room);
        if (room == NULL) {
            PyErr_NoMemory();
        }
    }
    return room;
}

static inline void free_doubles(double *room, const double *few)
{
    if (room != few) {
        free(room);
    }
}

static inline PyObject *list_of_floats(const double *numbers, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);

    for (Py_ssize_t index = 0; list != NULL && index < count; index++) {
        PyObject *number = PyFloat_FromDouble(numbers[index]);
        if (number == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, index, number); /* takes the reference; the place exists */
        }
    }
    return list;
}

/* ---- The one type of a kernel -------------------------------------------------------------- */

/* A zeroed object, or NULL with an exception set. */
static inline void *allocate_object(PyTypeObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return allocate(type, 0);
}

static inline void free_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free_memory(object);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static inline int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int status = -1;

    if (type != NULL) {
        status = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
    }
    return status;
}

#endif
