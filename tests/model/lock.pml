/* The lock of a key as src/fs/lockfile.c, lock_seen.c and cache/save.c keep it, for `spin -a`.
 *
 * SAVERS savers meet a lock that a dead one left. Each looks, competes, breaks, writes its temporary
 * file, looks a last time, publishes and releases, one step of the volume at a time. At any moment one
 * of them may die (DEATHS times), or stall for longer than the timeout and go on later (STALLS times).
 *
 * Time is what the timeout makes of it: a lock has stood still for the timeout only if its holder does
 * not beat, because it is dead, has stalled, or has ended. Whoever is awake beats in time.
 *
 * Verified, by assertions and because every process must come to its end:
 *   - no lock stays for ever: who waits gets the lock or sees somebody else's at work, and a saver that
 *     comes when all others have ended publishes;
 *   - where nobody dies or stalls, one of them publishes;
 *   - who publishes while the lock is not its own has stalled since it began its last look, or its lock
 *     was taken by a breaker that was held up between its last look and its rename, or by a holder that
 *     was held up while it released its own (`mistaken`);
 *   - what is published is complete, and nobody sweeps the file of the one that holds the lock.
 *
 * -DUNLINK breaks a lock by unlinking its name instead of renaming it aside and looking again,
 * -DNO_BEAT leaves out the beat before the last look, -DSWEEP_FIRST sweeps by a list that was read
 * after the look, -DFORGET gives up a lock that is out of sight when it has just been linked. Each must
 * fail.
 */
#ifndef SAVERS
#define SAVERS 3
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef STALLS
#define STALLS 1
#endif

#define DEAD_SAVER SAVERS /* who left the lock that is there at first */
#define LATER      (SAVERS + 1)
#define ALL        (SAVERS + 2)
#define NOBODY     255

#ifdef FORGET
#define is_own(p) false
#else
#define is_own(p) (name == p)
#endif

/* A saver acquires at most once, so its number is its token. */
byte name = DEAD_SAVER; /* whose lock stands under the lock's name */
byte aside[ALL];        /* what a saver has renamed aside */
byte counter[ALL];      /* of its lock */
bit  holds[ALL];        /* a lock, as far as it knows: it beats while it is awake */

byte file[ALL];         /* its temporary file: NONE, BEGUN, COMPLETE */
#define NONE     0
#define BEGUN    1
#define COMPLETE 2
bool archive = false;   /* one is published, always a complete one */

bit dead[ALL];
bit stalled[ALL];
bit ended[ALL];

/* Of the proof, not of the protocol. */
bit looking[ALL];       /* is between the beginning of its last look and its rename */
bit late[ALL];          /* stalled there */
bit mistaken[ALL];      /* its lock was taken away by one who meant another */

/* Each step of a saver is one of an awake one; a dead one takes none any more (`unless` below). */
#define awake(p) (!stalled[p])
/* Has stood still for the timeout. */
#define stale(t) (!holds[t] || dead[t] || stalled[t])

/* lock_seen_remove: of saver p: `judged` with counter `at`. */
inline remove_lock(judged, at)
{
#ifdef UNLINK
    atomic { awake(p) -> name = NOBODY }
#else
    if
    :: atomic { awake(p) && !(name == judged && counter[judged] == at) -> skip }   /* another, or gone */
    :: atomic { awake(p) && name == judged && counter[judged] == at -> skip }      /* the last look */
       if
       :: atomic { awake(p) && name == NOBODY -> skip }                            /* renamed by another */
       :: atomic { awake(p) && name != NOBODY ->                                   /* rename aside */
                   aside[p] = name; name = NOBODY;
                   if
                   :: !(aside[p] == judged && counter[judged] == at) -> mistaken[aside[p]] = 1
                   :: else -> skip
                   fi }
          if
          :: atomic { awake(p) && aside[p] == judged && counter[judged] == at ->   /* it is: unlink */
                      aside[p] = NOBODY }
          :: atomic { awake(p) && !(aside[p] == judged && counter[judged] == at) ->
                      if                                                           /* put back by link */
                      :: name == NOBODY -> name = aside[p]
                      :: else -> skip                                              /* its holder has lost */
                      fi }
             atomic { awake(p) -> aside[p] = NOBODY }
          fi
       fi
    fi
#endif
}

/* Somebody is about to put it back, or to find the name taken. */
#define in_hand(p)                                                                                 \
    ((aside[0] == p && !dead[0] && !stalled[0]) || (aside[1] == p && !dead[1] && !stalled[1]) ||   \
     (aside[2] == p && !dead[2] && !stalled[2]))

/* lockfile_still_ours but for its beat. It waits for who has the lock in hand, unless that stalls. */
inline still_ours()
{
    if
    :: atomic { awake(p) && name == p -> mine = 1 }
    :: atomic { awake(p) && name != p && !(name == NOBODY && in_hand(p)) -> mine = 0 }
    fi
}

/* sweep_own_key: list, look, remove what was listed. */
#define list_files() listed = (file[0] != NONE) + 2 * (file[1] != NONE) + 4 * (file[2] != NONE)
#define remove_file(q)                                                                             \
    if                                                                                             \
    :: (listed >> q) & 1 && q != p ->                                                              \
       assert(!(name == q && holds[q] && file[q] != NONE)); /* never the holder's */               \
       file[q] = NONE                                                                              \
    :: else -> skip                                                                                \
    fi

inline sweep()
{
#ifdef SWEEP_FIRST
    still_ours();
    atomic { awake(p) -> list_files() }
#else
    atomic { awake(p) -> list_files() }
    still_ours();
#endif
    if
    :: atomic { awake(p) && mine -> remove_file(0); remove_file(1); remove_file(2); listed = 0; mine = 0 }
    :: atomic { awake(p) && !mine -> listed = 0 } goto lost
    fi
}

proctype Saver(byte p)
{
    byte seen = NOBODY;
    byte at = 0;
    bit  looked = 0;
    bit  mine = 0;
    byte listed = 0;

    {
    skip;
look:
    if
    :: atomic { awake(p) && (name == NOBODY || is_own(p)) -> looked = 1; seen = NOBODY } goto compete
    :: atomic { awake(p) && name != NOBODY && !looked -> looked = 1; seen = name; at = counter[name] } goto watch
    :: atomic { awake(p) && name != NOBODY && looked && name != seen && !is_own(p) -> skip } goto done /* IN_PROGRESS */
    :: atomic { awake(p) && name != NOBODY && looked && name == seen -> skip } goto watch
    fi;

watch:  /* until it changes, or stood still for the timeout */
    if
    :: atomic { awake(p) && name == NOBODY -> seen = NOBODY } goto compete
    :: atomic { awake(p) && name != NOBODY && (name != seen || counter[seen] != at) -> skip } goto done
    :: atomic { awake(p) && name == seen && counter[seen] == at && stale(seen) -> skip }
       remove_lock(seen, at);
       seen = NOBODY; /* whatever stands there now is new */
       goto look
    fi;

compete:  /* link of a private file, and what it says is not believed */
    atomic { awake(p) ->
             if
             :: name == NOBODY -> name = p; holds[p] = 1
             :: else -> skip
             fi }
    atomic { awake(p) -> mine = (name == p) }
    if
    :: mine -> skip
    :: else -> goto look /* another's, or taken from us before we knew that we had it */
    fi;

    sweep();
    atomic { awake(p) -> file[p] = BEGUN;
             if  /* a beat that others may see */
             :: counter[p]++
             :: skip
             fi }
    atomic { awake(p) -> if :: file[p] == BEGUN -> file[p] = COMPLETE :: else -> skip fi }

    /* the last look */
#ifdef NO_BEAT
    atomic { awake(p) -> looking[p] = 1 }
#else
    atomic { awake(p) -> looking[p] = 1; counter[p]++ }
#endif
    still_ours();
    if
    :: mine -> skip
    :: else -> goto lost
    fi;

    /* rename of the file, unless a successor has swept it */
    atomic { awake(p) ->
             mine = (file[p] == COMPLETE);
             if
             :: mine ->
                assert(name == p || late[p] || mistaken[p]);
                archive = true; file[p] = NONE
             :: else -> assert(file[p] == NONE)
             fi }
    if
    :: mine -> mine = 0
    :: else -> goto lost
    fi;

    /* lockfile_release: by its own clock nobody can have taken it for dead, or it cannot be sure */
    if
    :: atomic { awake(p) && !late[p] -> looking[p] = 0 }
       atomic { awake(p) ->
                if
                :: name != p && name != NOBODY -> mistaken[name] = 1 /* it has stalled right here */
                :: else -> skip
                fi;
                name = NOBODY }
       goto done
    :: atomic { awake(p) && late[p] -> skip }
    fi;

lost:
    atomic { awake(p) -> file[p] = NONE; looking[p] = 0; mine = 0; at = counter[p] }
    remove_lock(p, at);
done:
    atomic { awake(p) -> holds[p] = 0; ended[p] = 1; seen = NOBODY; at = 0; looked = 0; mine = 0 }
    } unless { dead[p] }
}

/* Kills and stalls, and wakes up again. */
proctype Fate()
{
    byte deaths = 0;
    byte stalls = 0;
    byte p = 0;
end:
    do
    :: atomic { deaths < DEATHS ->
                if :: p = 0 :: p = 1 :: p = 2 fi;
                deaths++;
                dead[p] = !ended[p] && !stalled[p];
                p = 0 }
    :: atomic { stalls < STALLS ->
                if :: p = 0 :: p = 1 :: p = 2 fi;
                stalls++;
                stalled[p] = !ended[p] && !dead[p];
                late[p] = late[p] || (stalled[p] && looking[p]);
                p = 0 }
    :: atomic { stalled[0] -> stalled[0] = 0 }
    :: atomic { stalled[1] -> stalled[1] = 0 }
    :: atomic { stalled[2] -> stalled[2] = 0 }
    od
}

#define gone(p) (ended[p] || dead[p])

/* Comes when nobody else is there any more. */
proctype Later()
{
    gone(0) && gone(1) && gone(2) ->
#if DEATHS == 0 && STALLS == 0
    assert(archive);
#endif
    run Saver(LATER);
    ended[LATER] -> assert(archive)
}

init
{
    atomic {
        aside[0] = NOBODY; aside[1] = NOBODY; aside[2] = NOBODY; aside[LATER] = NOBODY;
        run Saver(0); run Saver(1); run Saver(2); run Fate(); run Later()
    }
}
