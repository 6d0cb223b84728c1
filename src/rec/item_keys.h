/**
 * Item ids as Python readers expect them: ints where every id of the catalogue is a number that
 * fits (at most 18 digits), else strs; read back in either form.
 */
#ifndef MQ_REC_ITEM_KEYS_H
#define MQ_REC_ITEM_KEYS_H

#include "data/catalogue.h"
#include "format/pickle_value.h"
#include "format/pickle_writer.h"

/** Whether ids are written as ints in lists and rank results. */
bool mq_item_keys_are_ints(const struct mq_catalogue *catalogue);

/** Write a row's id in that form. @param as_int of mq_item_keys_are_ints */
void mq_item_key_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
                     int32_t row, bool as_int);

/** Row of an id that is an int or a str; -1: not known; -2: neither int nor str. */
int32_t mq_item_key_find(const struct mq_catalogue *catalogue, const struct mq_pickle_value *key);

#endif
