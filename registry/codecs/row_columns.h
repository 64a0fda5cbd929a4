/*
 * The columns of a signature as an object of Python's, which lives as long as a reader of bodies.
 */

#ifndef HOTSWAP_ROW_COLUMNS_H
#define HOTSWAP_ROW_COLUMNS_H

#include "../kernel.h"

#include "row_body.h"

typedef struct {
    PyObject_HEAD
    PyObject *powers; /* the bytes of the table's */
    Table table;
    Column *columns;
    Name *names;
    int32_t *places;
    unsigned char *bytes; /* of the names */
} Columns;

static void free_columns(PyObject *object)
{
    Columns *self = (Columns *)object;

    free(self->columns);
    free(self->names);
    free(self->places);
    free(self->bytes);
    Py_XDECREF(self->powers);
    free_object(object);
}

/* Copies the names, each a tuple of bytes and the index of its column, and finds places for them. */
static bool take_names(Columns *self, PyObject *names)
{
    const Py_ssize_t count = PyTuple_Size(names);
    size_t places = 2, room = 1;
    const char *bytes;
    Py_ssize_t size;
    int column;

    for (Py_ssize_t index = 0; index < count; index++) {
        if (!PyArg_ParseTuple(PyTuple_GetItem(names, index), "y#i", &bytes, &size, &column))
            return false;
        if (column < 0 || column >= self->table.width) {
            PyErr_SetString(PyExc_ValueError, "a name of no column");
            return false;
        }
        room += (size_t)size;
    }
    while (places < 2 * (size_t)count)
        places *= 2;
    self->names = malloc(((size_t)count + 1) * sizeof(Name));
    self->places = malloc(places * sizeof(int32_t));
    self->bytes = malloc(room);
    if (self->names == NULL || self->places == NULL || self->bytes == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memset(self->places, -1, places * sizeof(int32_t));
    unsigned char *copy = self->bytes;
    for (int32_t index = 0; index < (int32_t)count; index++) {
        if (!PyArg_ParseTuple(PyTuple_GetItem(names, index), "y#i", &bytes, &size, &column))
            return false;
        memcpy(copy, bytes, (size_t)size);
        self->names[index] = (Name){copy, (size_t)size, column};
        size_t place = hash_of(copy, (size_t)size) & (places - 1);
        while (self->places[place] >= 0)
            place = (place + 1) & (places - 1);
        self->places[place] = index;
        copy += size;
    }
    self->table.names = self->names;
    self->table.places = self->places;
    self->table.mask = places - 1;
    return true;
}

static bool take_columns(Columns *self, const char *kinds, const char *nullable, Py_ssize_t width)
{
    self->columns = malloc((size_t)width * sizeof(Column));
    if (self->columns == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t index = 0; index < width; index++) {
        if (strchr("nibt", kinds[index]) == NULL || kinds[index] == '\0') {
            PyErr_SetString(PyExc_ValueError, "a column of an unknown kind");
            return false;
        }
        self->columns[index] = (Column){kinds[index], nullable[index] != 0};
    }
    self->table.columns = self->columns;
    self->table.width = (int32_t)width;
    return true;
}

static PyObject *new_columns(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *names, *powers;
    const char *kinds, *nullable;
    Py_ssize_t width, flags;

    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "O!y#y#S", &PyTuple_Type, &names, &kinds, &width, &nullable,
                          &flags, &powers))
        return NULL;
    if (width < 1 || width > INT32_MAX / 4 || flags != width ||
        PyTuple_Size(names) > INT32_MAX / 4 ||
        PyBytes_Size(powers) != (Py_ssize_t)(POWERS * sizeof(Power))) {
        PyErr_SetString(PyExc_ValueError, "a kind and a flag for each column, and all powers");
        return NULL;
    }
    PyObject *object = allocate_object(type);
    if (object == NULL)
        return NULL;
    Columns *self = (Columns *)object;
    self->powers = Py_NewRef(powers);
    self->table.powers = (const Power *)PyBytes_AsString(powers);
    if (!take_columns(self, kinds, nullable, width) || !take_names(self, names))
        Py_CLEAR(object);
    return object;
}

#endif
