/**
 * Values of a Python pickle: what the reader builds and every consumer walks.
 *
 * A tree of plain values in an arena. Values may be shared (the same list under two keys) but a
 * tree never holds itself: the reader refuses cycles, and the depth and the number of nodes met in
 * a full walk are limited, so a recursive walk is safe. Immutable once handed out.
 *
 * Ownership: all pointers are borrowed from the arena that the values were read into.
 * Threads: reentrant reads.
 */
#ifndef MQ_FORMAT_PICKLE_VALUE_H
#define MQ_FORMAT_PICKLE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

enum mq_pickle_kind {
    MQ_PICKLE_NONE = 0,
    MQ_PICKLE_BOOL,
    MQ_PICKLE_INT,     /**< fits int64 */
    MQ_PICKLE_BIG_INT, /**< decimal digits in text */
    MQ_PICKLE_REAL,    /**< float and NumPy floating scalars */
    MQ_PICKLE_TEXT,    /**< str: UTF-8 without lone surrogates, NUL-terminated */
    MQ_PICKLE_BYTES,   /**< bytes, bytearray */
    MQ_PICKLE_LIST,
    MQ_PICKLE_TUPLE,
    MQ_PICKLE_SET,      /**< set, frozenset, in file order */
    MQ_PICKLE_DICT,     /**< dict, OrderedDict, defaultdict, in file order */
    MQ_PICKLE_ARRAY,    /**< numpy.ndarray */
    MQ_PICKLE_INSTANT,  /**< datetime: microseconds since 1970; naive ones are taken as UTC */
    MQ_PICKLE_DATE,     /**< date: days since 1970 */
    MQ_PICKLE_DURATION, /**< timedelta: microseconds */
    MQ_PICKLE_KIND_COUNT
};

/** Most dimensions of a NumPy array. */
#define MQ_PICKLE_DIMS_MAX 8

/** A NumPy array; always C order and native byte order, whatever the file had. */
struct mq_pickle_array {
    char kind;      /**< 'f' float, 'i' int, 'u' unsigned, 'b' bool, 'S' bytes, 'U' UCS-4 text */
    uint8_t dims;   /**< 0…MQ_PICKLE_DIMS_MAX */
    uint32_t width; /**< bytes of an element: 1, 2, 4, 8; any for 'S', 4 a character for 'U' */
    int64_t shape[MQ_PICKLE_DIMS_MAX];
    int64_t count;    /**< product of shape */
    const void *data; /**< count * width bytes; 64-byte aligned when count > 0 */
};

/** One value. Read the union by kind, or use the functions below. */
struct mq_pickle_value {
    uint8_t kind;      /**< enum mq_pickle_kind */
    uint8_t state;     /* reader: container placed in another, class names, … */
    uint16_t depth;    /* levels below a container */
    uint32_t capacity; /* of items */
    union {
        bool truth;
        int64_t integer; /**< INT, INSTANT, DATE, DURATION */
        double real;
        const char *text;               /**< TEXT, BYTES, BIG_INT */
        struct mq_pickle_value **items; /**< LIST, TUPLE, SET: [size]; DICT: key, value: [2*size] */
        const struct mq_pickle_array *array;
        void *internal;
    };
    size_t size;       /**< bytes of text; elements of a container; pairs of a dict */
    uint64_t expanded; /* nodes met when walking it */
};

/** "dict", "list", "str", …: Python's word, for messages. */
const char *mq_pickle_kind_name(const struct mq_pickle_value *value);

/** Elements of a list, tuple, set; pairs of a dict; 0 for anything else and for NULL. */
size_t mq_pickle_count(const struct mq_pickle_value *value);

/** Element i of a list, tuple or set; NULL when it is none of these or i is past the end. */
const struct mq_pickle_value *mq_pickle_item(const struct mq_pickle_value *value, size_t i);

/** Key and value of pair i of a dict, in file order; NULL as above. A key that the file sets
 * twice appears twice. */
const struct mq_pickle_value *mq_pickle_key(const struct mq_pickle_value *dict, size_t i);
const struct mq_pickle_value *mq_pickle_at(const struct mq_pickle_value *dict, size_t i);

/** Value of a text key, the last where the file set it twice; NULL when absent or not a dict.
 * Cost: O(pairs); for large dicts build an mq_strmap. */
const struct mq_pickle_value *mq_pickle_get(const struct mq_pickle_value *dict, const char *key);

/** Value of a key that is the given integer; otherwise as mq_pickle_get. */
const struct mq_pickle_value *mq_pickle_get_int(const struct mq_pickle_value *dict, int64_t key);

/** Typed reads; false (output untouched) for NULL or another kind. */
bool mq_pickle_as_text(const struct mq_pickle_value *value, const char **ret_text,
                       size_t *ret_size);
/** INT and BOOL. */
bool mq_pickle_as_int(const struct mq_pickle_value *value, int64_t *ret_int);
/** REAL, INT, BOOL, BIG_INT (rounded). */
bool mq_pickle_as_real(const struct mq_pickle_value *value, double *ret_real);
bool mq_pickle_as_bool(const struct mq_pickle_value *value, bool *ret_bool);
bool mq_pickle_is_none(const struct mq_pickle_value *value);

/** Typed reads of a dict's entry that must be there.
 * @return MQ_OK | MQ_E_FORMAT "key 'merge_cnt' is missing" / "… is a str where an int is due" */
enum mq_status mq_pickle_need_text(const struct mq_pickle_value *dict, const char *key,
                                   const char **ret_text, size_t *ret_size, struct mq_error *err);
enum mq_status mq_pickle_need_int(const struct mq_pickle_value *dict, const char *key,
                                  int64_t *ret_int, struct mq_error *err);
enum mq_status mq_pickle_need_real(const struct mq_pickle_value *dict, const char *key,
                                   double *ret_real, struct mq_error *err);

/**
 * Elements of a numeric array (f2 f4 f8, integers, bool) as float32, C order.
 * @param ret_floats float32 [array->count], caller-owned
 * @return MQ_OK | MQ_E_FORMAT (text array)
 */
enum mq_status mq_pickle_array_floats(const struct mq_pickle_array *array, float *ret_floats,
                                      struct mq_error *err);

/** Element i of a numeric array as a double; NaN for a text array. @param i in [0, count) */
double mq_pickle_array_real(const struct mq_pickle_array *array, int64_t i);

#endif
