#include "rec/item_keys.h"

#define DIGITS_MAX 18

bool
mq_item_keys_are_ints(const struct mq_catalogue *catalogue)
{
    if (!catalogue->ids_numeric)
        return false;
    for (int32_t row = 0; row < catalogue->count; row++)
        if (catalogue->ids.sizes[row] > DIGITS_MAX)
            return false;
    return true;
}

void
mq_item_key_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue, int32_t row,
                bool as_int)
{
    const char *id = catalogue->ids.keys[row];
    if (!as_int) {
        mq_pickle_put_text(pickle, id, catalogue->ids.sizes[row]);
        return;
    }
    int64_t number = 0;
    for (uint32_t i = 0; i < catalogue->ids.sizes[row]; i++)
        number = number * 10 + (id[i] - '0');
    mq_pickle_put_int(pickle, number);
}

int32_t
mq_item_key_find(const struct mq_catalogue *catalogue, const struct mq_pickle_value *key)
{
    const char *text;
    size_t size;
    int64_t number;
    if (mq_pickle_as_text(key, &text, &size))
        return mq_strmap_find(&catalogue->ids, text, size);
    if (!mq_pickle_as_int(key, &number))
        return -2;
    if (number < 0)
        return -1;
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t n = (uint64_t)number;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return mq_strmap_find(&catalogue->ids, digits + at, sizeof(digits) - at);
}
