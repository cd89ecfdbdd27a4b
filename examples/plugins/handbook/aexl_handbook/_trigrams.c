/* How alike two texts are: the cosine of their counts of three-byte runs. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BUCKETS 4096 /* runs are counted by hash; two that meet in a bucket only blur the measure a little */

static void count(const char *text, Py_ssize_t size, uint32_t *buckets) {
    memset(buckets, 0, BUCKETS * sizeof *buckets);
    for (Py_ssize_t at = 0; at + 3 <= size; at++) {
        uint32_t hash = 2166136261u; /* FNV-1a, 32 bits */
        for (int byte = 0; byte < 3; byte++)
            hash = (hash ^ (unsigned char)text[at + byte]) * 16777619u;
        buckets[(hash ^ (hash >> 15)) % BUCKETS]++;
    }
}

static PyObject *similarity(PyObject *module, PyObject *args) {
    (void)module;
    const char *one, *other;
    Py_ssize_t one_size, other_size;
    if (!PyArg_ParseTuple(args, "y#y#", &one, &one_size, &other, &other_size))
        return NULL;
    uint32_t a[BUCKETS], b[BUCKETS];
    double dot = 0, aa = 0, bb = 0;
    Py_BEGIN_ALLOW_THREADS
    count(one, one_size, a);
    count(other, other_size, b);
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        dot += (double)a[bucket] * b[bucket];
        aa += (double)a[bucket] * a[bucket];
        bb += (double)b[bucket] * b[bucket];
    }
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(aa && bb ? dot / sqrt(aa * bb) : 0.0);
}

static PyMethodDef methods[] = {
    {"similarity", similarity, METH_VARARGS, "Return how alike two texts are, from 0.0 to 1.0."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_trigrams", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__trigrams(void) { return PyModuleDef_Init(&definition); }
