/* Attention inside windows of a token grid, read from and written to the grid itself: no roll, no window copies.
 *
 * One call does out = softmax(q k^T row column + bias + mask) v for every image, window and head. `row` and `column`
 * hold the scale: head_dim^-1/2 and 1 for the scaled dot product, scale/|q| and 1/|k| for the cosine.
 *
 * Compiled twice: with BFLOAT for tensors of bfloat16 (products of pairs where the processor has them, sums in
 * float), without it for tensors of float. Vector extensions of GCC and Clang; 16 lanes.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(64)));
typedef float four __attribute__((vector_size(16)));
typedef int32_t whole __attribute__((vector_size(64)));

#define LANES 16
#define ROWS 4           /* queries at a time */
#define COLUMNS 4        /* vectors of keys at a time */
#define HIDDEN (-1e30f)  /* score of a pair that must not see each other */
#define UNREAL (-1)      /* token and region of padding */

#ifdef BFLOAT
typedef uint16_t stored;
typedef uint16_t halves __attribute__((vector_size(32)));
static inline float read_one(stored value) {
    union { uint32_t bits; float number; } word = {.bits = (uint32_t)value << 16};
    return word.number;
}
static inline void write_lanes(stored *to, lanes value) { /* to nearest, ties to even */
    whole bits = (whole)value;
    halves rounded = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, halves);
    memcpy(to, &rounded, sizeof rounded);
}
#else
typedef float stored;
static inline float read_one(stored value) { return value; }
static inline void write_lanes(stored *to, lanes value) { memcpy(to, &value, sizeof value); }
#endif

/* An element of a product is one float, or a pair of bfloat16 that is multiplied and summed at once. */
#if defined(BFLOAT) && defined(__AVX512BF16__)
#include <immintrin.h>
#define PAIR 2
typedef uint32_t element;
static inline lanes accumulate(lanes sum, element left, const element *right) {
    return (lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)left),
                                   (__m512bh)_mm512_loadu_si512((const void *)right));
}
static inline element read_element(const stored *first, const stored *second) {
    return (uint32_t)*first | (uint32_t)*second << 16;
}
static void pack_row(element *to, const float *from, int64_t count) { /* count is a multiple of 2 LANES */
    for (int64_t i = 0; i < count; i += 2 * LANES) {
        __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + LANES), _mm512_loadu_ps(from + i));
        memcpy(to + i / 2, &pairs, sizeof pairs);
    }
}
#else
#define PAIR 1
typedef float element;
static inline lanes accumulate(lanes sum, element left, const element *right) {
    lanes vector;
    memcpy(&vector, right, sizeof vector);
    return sum + left * vector;
}
static inline element read_element(const stored *first, const stored *second) {
    (void)second;
    return read_one(*first);
}
static void pack_row(element *to, const float *from, int64_t count) { memcpy(to, from, (size_t)count * sizeof *to); }
#endif

static inline float larger_of(float a, float b) { return a > b ? a : b; }

/* Sum and largest of the lanes, by halves. */
static inline float sum_of(lanes all) {
    four part[4];
    memcpy(part, &all, sizeof all);
    part[0] = (part[0] + part[1]) + (part[2] + part[3]);
    return (part[0][0] + part[0][1]) + (part[0][2] + part[0][3]);
}
static inline float largest_of(lanes all) {
    four part[4];
    memcpy(part, &all, sizeof all);
    float best[4];
    for (int lane = 0; lane < 4; lane++)
        best[lane] = larger_of(larger_of(part[0][lane], part[1][lane]), larger_of(part[2][lane], part[3][lane]));
    return larger_of(larger_of(best[0], best[1]), larger_of(best[2], best[3]));
}

static inline lanes choose(whole which, lanes yes, lanes no) {
    return (lanes)(((whole)yes & which) | ((whole)no & ~which));
}

static inline lanes exponential(lanes x) { /* of x <= 0; 0 below -87; relative error 2e-7 */
    whole tiny = x < -87.0f;
    lanes scaled = x * 1.44269504f;
    whole power = __builtin_convertvector(scaled - 0.5f, whole); /* rounds to nearest as scaled <= 0 */
    lanes back = __builtin_convertvector(power, lanes);
    lanes r = x - back * 0.693359375f + back * 2.12194440e-4f; /* ln 2 in two parts (Cephes, expf) */
    lanes y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    whole bits = (power + 127) << 23;
    return (lanes)(((whole)(y * (lanes)bits)) & ~tiny);
}

typedef struct {
    element *query, *key, *value, *share; /* packed operands of one window and head */
    float *score, *row, *column;
    int32_t *token, *region, *hidden; /* hidden: all bits or none */
} workspace;

typedef struct {
    int64_t images, tokens, windows, num, heads, size; /* num tokens a window, size channels a head */
    int64_t padded;                                    /* num rounded up to 2 LANES */
    const stored *qkv;                                 /* (images, tokens, 3, heads, size) */
    stored *out;                                       /* (images, tokens, heads, size) */
    const float *bias;                                 /* (heads, num, padded), HIDDEN in the columns that pad */
    const float *scale;                                /* (heads) */
    const int32_t *token, *region;                     /* (windows, num) */
    const uint8_t *live;                               /* (images, tokens) or null */
    int64_t cosine;
} problem;

/* Scores of ROWS queries with `vectors` vectors of keys. */
static inline __attribute__((always_inline)) void multiply(
    float *score, int64_t pitch, const element *query, const element *key, int64_t steps, int vectors) {
    lanes sum[ROWS][COLUMNS] = {{{0}}};
    for (int64_t step = 0; step < steps; step++)
        for (int row = 0; row < ROWS; row++)
            for (int column = 0; column < vectors; column++)
                sum[row][column] =
                    accumulate(sum[row][column], query[row * steps + step], key + step * pitch + column * LANES);
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < vectors; column++)
            memcpy(score + row * pitch + column * LANES, &sum[row][column], sizeof(lanes));
}

/* Shares times values of ROWS queries, `vectors` vectors of channels. */
static inline __attribute__((always_inline)) void combine(
    lanes out[ROWS][2], const element *share, const element *value, int64_t pitch, int64_t size, int vectors) {
    lanes sum[ROWS][2] = {{{0}}};
    for (int64_t step = 0; step < pitch / PAIR; step++)
        for (int row = 0; row < ROWS; row++)
            for (int column = 0; column < vectors; column++)
                sum[row][column] = accumulate(sum[row][column], share[row * (pitch / PAIR) + step],
                                              value + step * size + column * LANES);
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < vectors; column++) out[row][column] = sum[row][column];
}

static void pack(const problem *p, const workspace *w, const stored *image, int64_t head) {
    int64_t channels = p->heads * p->size, pitch = p->padded, steps = p->size / PAIR;
    float dot_scale = p->scale[head];
    for (int64_t i = 0; i < p->num; i++) {
        if (w->token[i] == UNREAL) {
            for (int64_t e = 0; e < steps; e++) w->query[i * steps + e] = w->key[e * pitch + i] = 0;
            w->row[i] = w->column[i] = 0.0f;
            continue;
        }
        const stored *query = image + (int64_t)w->token[i] * 3 * channels + head * p->size, *key = query + channels;
        element *restrict to = w->query + i * steps;
        for (int64_t e = 0; e < steps; e++) to[e] = read_element(query + e * PAIR, query + e * PAIR + PAIR - 1);
        for (int64_t e = 0; e < steps; e++)
            w->key[e * pitch + i] = read_element(key + e * PAIR, key + e * PAIR + PAIR - 1);
        w->row[i] = dot_scale;
        w->column[i] = 1.0f;
        if (p->cosine) {
            float left = 0.0f, right = 0.0f;
#pragma omp simd reduction(+ : left, right)
            for (int64_t e = 0; e < p->size; e++) {
                left += read_one(query[e]) * read_one(query[e]);
                right += read_one(key[e]) * read_one(key[e]);
            }
            w->row[i] = dot_scale / larger_of(sqrtf(left), 1e-6f);
            w->column[i] = 1.0f / larger_of(sqrtf(right), 1e-6f);
        }
    }
    static const stored none[256] = {0};
    for (int64_t i = 0; i < pitch; i += PAIR) {
        const stored *value[PAIR];
        for (int j = 0; j < PAIR; j++)
            value[j] = i + j < p->num && w->token[i + j] != UNREAL
                           ? image + ((int64_t)w->token[i + j] * 3 + 2) * channels + head * p->size
                           : none;
        element *restrict to = w->value + i / PAIR * p->size;
        for (int64_t e = 0; e < p->size; e++) to[e] = read_element(value[0] + e, value[PAIR - 1] + e);
    }
}

/* Softmax of one row without its division, in place; returns the sum. */
static float soften(const problem *p, const workspace *w, float *score, int64_t head, int64_t i, int mixed) {
    const float *bias = p->bias + (head * p->num + i) * p->padded;
    lanes best = HIDDEN - (lanes){0}, sum = {0};
    for (int64_t j = 0; j < p->padded; j += LANES) {
        lanes value, column, added;
        memcpy(&value, score + j, sizeof value);
        memcpy(&column, w->column + j, sizeof column);
        memcpy(&added, bias + j, sizeof added);
        value = value * (column * w->row[i]) + added;
        if (mixed) {
            whole region, hidden;
            memcpy(&region, w->region + j, sizeof region);
            memcpy(&hidden, w->hidden + j, sizeof hidden);
            hidden |= region != w->region[i];
            value = choose(hidden, HIDDEN - (lanes){0}, value);
        }
        whole larger = value > best;
        best = choose(larger, value, best);
        memcpy(score + j, &value, sizeof value);
    }
    float top = largest_of(best);
    for (int64_t j = 0; j < p->padded; j += LANES) {
        lanes value;
        memcpy(&value, score + j, sizeof value);
        value = exponential(value - top);
        sum += value;
        memcpy(score + j, &value, sizeof value);
    }
    return sum_of(sum);
}

static void attend(const problem *p, const workspace *w, int64_t image, int64_t head, int mixed) {
    int64_t pitch = p->padded, steps = p->size / PAIR, channels = p->heads * p->size;
    stored *out = p->out + image * p->tokens * channels + head * p->size;
    for (int64_t first = 0; first < p->num; first += ROWS) {
        const element *query = w->query + first * steps;
        int64_t j = 0;
        for (; j + COLUMNS * LANES <= pitch; j += COLUMNS * LANES)
            multiply(w->score + j, pitch, query, w->key + j, steps, COLUMNS);
        for (; j < pitch; j += 2 * LANES) multiply(w->score + j, pitch, query, w->key + j, steps, 2);
        float part[ROWS];
        int64_t rows = p->num - first < ROWS ? p->num - first : ROWS;
        for (int64_t row = 0; row < rows; row++) {
            part[row] = 1.0f / soften(p, w, w->score + row * pitch, head, first + row, mixed);
            pack_row(w->share + row * (pitch / PAIR), w->score + row * pitch, pitch);
        }
        for (int64_t e = 0; e < p->size; e += 2 * LANES) {
            int vectors = p->size - e < 2 * LANES ? 1 : 2;
            lanes mixture[ROWS][2];
            if (vectors == 2) combine(mixture, w->share, w->value + e, pitch, p->size, 2);
            else combine(mixture, w->share, w->value + e, pitch, p->size, 1);
            for (int64_t row = 0; row < rows; row++) {
                if (w->token[first + row] == UNREAL) continue;
                stored *to = out + (int64_t)w->token[first + row] * channels + e;
                for (int vector = 0; vector < vectors; vector++)
                    write_lanes(to + vector * LANES, mixture[row][vector] * part[row]);
            }
        }
    }
}

/* Tokens of a window and which keys are hidden: those without data, where their region has any with data. */
static int prepare(const problem *p, const workspace *w, int64_t image, int64_t window) {
    int mixed = 0;
    for (int64_t i = 0; i < p->padded; i++) {
        w->token[i] = i < p->num ? p->token[window * p->num + i] : UNREAL;
        w->region[i] = i < p->num ? p->region[window * p->num + i] : UNREAL;
        w->hidden[i] = 0;
        if (i < p->num && w->region[i] != w->region[0]) mixed = 1;
    }
    if (!p->live) return mixed;
    const uint8_t *live = p->live + image * p->tokens;
    for (int64_t i = 0; i < p->num; i++) {
        if (w->token[i] == UNREAL || live[w->token[i]]) continue;
        for (int64_t j = 0; j < p->num && !w->hidden[i]; j++)
            w->hidden[i] = -(w->region[j] == w->region[i] && live[w->token[j]]);
        mixed |= w->hidden[i] != 0;
    }
    return mixed;
}

/* Memory of one thread, in bytes. */
static size_t carve(const problem *p, char *block, workspace *w) {
    size_t pitch = (size_t)p->padded, size = (size_t)p->size, used = 0;
#define CARVE(name, count) \
    w->name = (void *)(block + used); \
    used += ((count) * sizeof *w->name + 63) / 64 * 64
    CARVE(query, pitch * size);
    CARVE(key, pitch * size);
    CARVE(value, pitch * size);
    CARVE(share, ROWS * pitch);
    CARVE(score, ROWS * pitch);
    CARVE(row, pitch);
    CARVE(column, pitch);
    CARVE(token, pitch);
    CARVE(region, pitch);
    CARVE(hidden, pitch);
#undef CARVE
    return used;
}

/* Returns 0, or 1 where memory ran out. */
int attend_windows(const problem *p, int64_t threads) {
    workspace measured;
    size_t bytes = carve(p, NULL, &measured);
    int failed = 0;
#pragma omp parallel num_threads((int)threads)
    {
        char *block = aligned_alloc(64, bytes);
        if (!block) {
#pragma omp atomic write
            failed = 1;
        }
        workspace w;
        if (block) {
            memset(block, 0, bytes);
            carve(p, block, &w);
        }
#pragma omp for
        for (int64_t index = 0; index < p->images * p->windows; index++) {
            if (!block) continue;
            int64_t image = index / p->windows;
            int mixed = prepare(p, &w, image, index % p->windows);
            for (int64_t head = 0; head < p->heads; head++) {
                pack(p, &w, p->qkv + image * p->tokens * 3 * p->heads * p->size, head);
                attend(p, &w, image, head, mixed);
            }
        }
        free(block);
    }
    return failed;
}
