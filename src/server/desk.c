#include "server/desk.h"

void desk_ask(struct desk *desk)
{
    atomic_store(&desk->answer, DESK_NONE);
    atomic_store(&desk->asked, true);
}

enum desk_answer desk_take(struct desk *desk)
{
    return (enum desk_answer)atomic_exchange(&desk->answer, DESK_NONE);
}

void desk_look(struct desk *desk, int (*ready)(void *user), void *user)
{
    if (!atomic_exchange(&desk->asked, false))
        return;
    const int said = ready(user);
    atomic_store(&desk->answer, said > 0 ? DESK_READY : said == 0 ? DESK_NOT_YET : DESK_HOPELESS);
}
