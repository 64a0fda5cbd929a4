/*
 * Decimal numbers as the nearest doubles, ties to even, as strtod and Python's float round them, but
 * independent of the locale.
 *
 * Most numbers have few digits: Clinger, "How to Read Floating Point Numbers Accurately" (PLDI
 * 1990), shows when one division or multiplication of doubles is exact enough. Others are
 * multiplied by 128 bits of a power of five: Lemire, "Number Parsing at a Gigabyte per Second"
 * (Software: Practice and Experience 51(8), 2021); Mushtak and Lemire, "Fast Number Parsing Without
 * Fallback" (53(7), 2023), prove that these bits suffice for numbers of up to 19 digits. Of longer
 * ones the first 19 digits nearly always decide.
 */

#ifndef HOTSWAP_DECIMAL_NUMBERS_H
#define HOTSWAP_DECIMAL_NUMBERS_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The modules are optional: it is better not to compile than to read other numbers. */
#if FLT_EVAL_METHOD != 0
#error "double expressions must be evaluated in their own type"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math may replace a division"
#endif
#ifndef __SIZEOF_INT128__
#error "products of 128 bits are needed"
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "eight digits are read at once in the order of bytes of x86-64 and aarch64"
#endif

__extension__ typedef unsigned __int128 Product;

enum {
    MOST_DIGITS = 19, /* that always fit in 64 bits */
    LEAST_POWER = -342, /* a smaller one makes zero of 19 digits */
    LARGEST_POWER = 308, /* a larger one makes infinity of a digit */
    EXACT_POWER = 22, /* the largest power of ten that is a double */
    POWERS = LARGEST_POWER - LEAST_POWER + 1,
    FRACTION_BITS = 52,
    EXPONENT_BIAS = 1023,
    LARGEST_EXPONENT = 2047, /* of infinity and NaN */
};

#define LARGEST_EXACT ((uint64_t)1 << 53)
/* Larger than any body, and far from the range of 64 bits. */
#define LARGEST_WRITTEN_EXPONENT ((int64_t)1000000000000000)

/* The first 128 bits of a power of five. */
typedef struct {
    uint64_t high, low;
} Power;

static inline uint64_t load_eight(const unsigned char *at)
{
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* The bits of the double that is nearest to digits * 10^power, without the sign; `digits` is not 0.
 * The bits of infinity where it is too large. The steps are those of the paper's algorithm 1. */
static inline uint64_t nearest(const Power *powers, uint64_t digits, int64_t power)
{
    if (power < LEAST_POWER)
        return 0;
    if (power > LARGEST_POWER)
        return (uint64_t)LARGEST_EXPONENT << FRACTION_BITS;
    const Power *five = &powers[power - LEAST_POWER];
    int zeros = __builtin_clzll(digits);
    uint64_t shifted = digits << zeros;
    Product product = (Product)shifted * five->high;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    /* The bits that decide how to round are all ones: a carry could change them. */
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)(((Product)shifted * five->low) >> 64);
        low += more;
        high += low < more;
    }
    int upper = (int)(high >> 63);
    int cut = upper + 64 - FRACTION_BITS - 3;
    uint64_t fraction = high >> cut; /* with its first bit, and one more bit to round by */
    /* 217706 / 65536 approximates the binary logarithm of 10 for all these powers. */
    int exponent = (int)((217706 * power) >> 16) + 63 + upper - zeros + EXPONENT_BIAS;
    if (exponent <= 0) { /* subnormal */
        if (1 - exponent >= 64)
            return 0;
        fraction >>= 1 - exponent;
        return (fraction + (fraction & 1)) >> 1; /* 2^52, if it is rounded up to it, is normal */
    }
    /* Exactly between two doubles, which only these powers can be: to the even one. */
    if (low <= 1 && power >= -4 && power <= 23 && (fraction & 3) == 1 && fraction << cut == high)
        fraction &= ~(uint64_t)1;
    fraction = (fraction + (fraction & 1)) >> 1;
    if (fraction >= (uint64_t)2 << FRACTION_BITS) {
        fraction = (uint64_t)1 << FRACTION_BITS;
        exponent++;
    }
    if (exponent >= LARGEST_EXPONENT)
        return (uint64_t)LARGEST_EXPONENT << FRACTION_BITS;
    return (fraction & (((uint64_t)1 << FRACTION_BITS) - 1)) | (uint64_t)exponent << FRACTION_BITS;
}

/* Returns false where the number is too large for a double. */
static inline bool to_double(const Power *powers, uint64_t digits, int64_t power, double *number)
{
    static const double tens[EXACT_POWER + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };
    if (digits <= LARGEST_EXACT && power >= -EXACT_POWER && power <= EXACT_POWER) {
        *number = power < 0 ? (double)digits / tens[-power] : (double)digits * tens[power];
        return true;
    }
    uint64_t bits = digits == 0 ? 0 : nearest(powers, digits, power);
    memcpy(number, &bits, sizeof bits);
    return bits >> FRACTION_BITS != LARGEST_EXPONENT;
}

/* Reads digits; `value` continues with them modulo 2^64. Returns where they end. */
static inline const unsigned char *read_digits(const unsigned char *at, const unsigned char *end,
                                               uint64_t *value)
{
    static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    uint64_t found = *value;

    while (end - at >= 8) {
        uint64_t digits = load_eight(at) ^ 0x3030303030303030;
        uint64_t others = ((digits + 0x7676767676767676) | digits) & 0x8080808080808080;
        int count = others == 0 ? 8 : __builtin_ctzll(others) / 8;
        if (count == 0) {
            *value = found;
            return at;
        }
        /* Zeros in front of them; then pairs, fours and all eight are combined. */
        digits <<= 64 - 8 * count;
        digits = (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FF;
        digits = (digits * 100 + (digits >> 16)) & 0x0000FFFF0000FFFF;
        digits = (digits * 10000 + (digits >> 32)) & 0xFFFFFFFF;
        found = found * tens[count] + digits;
        at += count;
        if (count < 8) {
            *value = found;
            return at;
        }
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        found = found * 10 + (uint64_t)(*at - '0');
    *value = found;
    return at;
}

/* The number whose digits, and perhaps a point, are from `at` to `end`, times 10^power. Returns false
 * where it is too large, or where more than 19 digits would be needed to round it. */
static bool long_number(const Power *powers, const unsigned char *at, const unsigned char *end,
                        int64_t power, double *number)
{
    uint64_t digits = 0;
    int taken = 0;
    bool is_exact = true;
    double above;

    for (; at < end; at++) {
        if (*at == '.')
            continue;
        if (taken < MOST_DIGITS) {
            digits = digits * 10 + (uint64_t)(*at - '0');
            taken += digits > 0;
        } else {
            power++;
            is_exact &= *at == '0';
        }
    }
    if (!to_double(powers, digits, power, number))
        return false;
    return is_exact || (to_double(powers, digits + 1, power, &above) && above == *number);
}

/* Reads a number at `*at`, and sets `*at` to its end. `is_json`: as JSON writes it; else it may have
 * a plus, leading zeros, and no digit on one side of the point. Returns false where there is none,
 * or where `long_number` does. */
static inline bool read_number(const Power *powers, const unsigned char **at,
                               const unsigned char *end, bool is_json, double *number)
{
    const unsigned char *here = *at;
    bool is_negative = here < end && *here == '-';

    here += is_negative || (!is_json && here < end && *here == '+');
    const unsigned char *first = here;
    uint64_t digits = 0;
    int64_t power = 0, fraction = 0;
    here = read_digits(here, end, &digits);
    int64_t count = here - first;
    if (is_json && (count == 0 || (count > 1 && *first == '0')))
        return false;
    bool is_whole = true;
    if (here < end && *here == '.') {
        const unsigned char *point = here++;
        here = read_digits(here, end, &digits);
        fraction = here - point - 1;
        if (is_json && fraction == 0)
            return false;
        is_whole = false;
    }
    count += fraction;
    if (count == 0)
        return false;
    const unsigned char *last = here;
    if (here < end && (*here == 'e' || *here == 'E')) {
        here++;
        bool is_below = here < end && *here == '-';
        here += is_below || (here < end && *here == '+');
        if (here == end || *here < '0' || *here > '9')
            return false;
        for (; here < end && *here >= '0' && *here <= '9'; here++)
            if (power < LARGEST_WRITTEN_EXPONENT)
                power = power * 10 + (*here - '0');
        power = is_below ? -power : power;
        is_whole = false;
    }
    *at = here;
    power -= fraction;
    if (!(count <= MOST_DIGITS ? to_double(powers, digits, power, number)
                               : long_number(powers, first, last, power, number)))
        return false;
    /* JSON's -0 is an integer, and integers have one zero. */
    if (is_negative && !(is_json && is_whole && *number == 0))
        *number = -*number;
    return true;
}

#endif
