/* list.h -- An intrusive doubly linked ring; the head is a node that holds nothing.
 *
 * Ownership: a node lives inside what it links; the list owns nothing.
 * Errors:    none of these can fail.
 * Invariant: a node is in one ring at most; one that is in none points to itself.
 */
#ifndef MG_LIST_H
#define MG_LIST_H
#include <stdbool.h>
#include <stddef.h>

struct mg_list {
    struct mg_list *next, *prev;
};

#ifdef __clang_analyzer__
/* It cannot see that a node which was removed is in its ring no more, and finds it there, freed. */
char *mg_list_some(const void *node);
#define MG_LIST_OF(node, type, member) ((type *)(mg_list_some(node) - offsetof(type, member)))
#else
#define MG_LIST_OF(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))
#endif

static inline void mg_list_init(struct mg_list *l)
{
    l->next = l->prev = l;
}

static inline bool mg_list_empty(const struct mg_list *l)
{
    return l->next == l;
}

static inline void mg_list_append(struct mg_list *head, struct mg_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Takes the node out of whatever ring it is in; harmless when it is in none. */
static inline void mg_list_remove(struct mg_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    mg_list_init(node);
}
#endif
