// STOAT_SANITIZED: a sanitizer owns the heap. STOAT_SANITIZED_THREADS: it is the one that watches threads.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define STOAT_SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define STOAT_SANITIZED 1
#define STOAT_SANITIZED_THREADS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STOAT_SANITIZED 1
#elif __has_feature(thread_sanitizer)
#define STOAT_SANITIZED 1
#define STOAT_SANITIZED_THREADS 1
#endif
#endif
