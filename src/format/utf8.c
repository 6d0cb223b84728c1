#include "format/utf8.h"

#include <stdint.h>
#include <string.h>

size_t
mq_utf8_character(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (n == 0 || n > size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Longer forms than needed, surrogates, and points past U+10FFFF. */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool
mq_utf8_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        while (size - i >= 8) {
            uint64_t word;
            memcpy(&word, text + i, 8);
            if (word & UINT64_C(0x8080808080808080))
                break;
            i += 8;
        }
        if (i == size)
            break;
        size_t n = mq_utf8_character(text + i, size - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t
mq_utf8_encode(unsigned code_point, char ret_text[4])
{
    if (code_point < 0x80) {
        ret_text[0] = (char)code_point;
        return 1;
    }
    size_t n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        ret_text[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    ret_text[0] = (char)(lead[n] | code_point);
    return n;
}
