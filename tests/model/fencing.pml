/* The fencing and doubt rules of docs/design.md: two writers, one log stream, and a network that keeps
 * nobody's order, loses answers, and lets appends land long after their senders gave up.
 *
 * Entries are numbered from 1 (LLSN). A ghost fold (epoch, next, ...) runs along as entries land, so that every
 * claim can be checked the moment it is made:
 *   - what is acknowledged is in the fold, at the offset that was said;
 *   - no batch is in the fold twice;
 *   - what was refused as certainly not stored is not in it, and never gets into it.
 *
 * Rules can be taken out, to see that each of them is needed:
 *   -DNO_FENCE       data is sent in the epoch that was found, without a fence of its own
 *   -DNO_OWN_CHECK   a committed fence counts as owned, whoever raised the epoch
 *   -DNO_LLSN_CHECK  any LLSN in an answer counts as the expected one
 *   -DBY_ID          an own fence whose answer never came is recognised by its id when it is read, and owns
 *   -DSAME_ID        ... and a writer's fences all have one id
 * kov knows its fence by the LLSN in the answer and never by the id alone, so that it holds without fresh ids;
 * BY_ID, which needs no answer, holds with them and not without.
 *
 * Lines that begin with STEP say what happens, for the replay of a counter-example against kov itself.
 */

#define WRITERS 2
#ifndef BATCHES
#define BATCHES 1      /* per writer, in order */
#endif
#ifndef OPENINGS
#define OPENINGS 2     /* attempts per writer */
#endif
#define LOG (2 + WRITERS * (OPENINGS + BATCHES + 1))

#define FENCE 1
#define BATCH 2

#define NONE 0
#define STORED 1
#define REFUSED 2

typedef Entry { byte kind; byte epoch; byte id; byte batch; byte offset };
typedef Flight { bool sent; Entry entry; byte llsn };  /* llsn: 0 until it lands */

Entry log[LOG];
byte last = 0;                       /* LLSN of the last committed entry */

/* The ghost fold, after entry `last`, and what it was after each entry before. */
byte epoch[LOG]; byte next[LOG]; byte raised[LOG]; byte owner[LOG];
byte place[5];                       /* batch b is valid at offset place[b] - 1; 0: not in the fold */
byte landed[5];                      /* ... and lies at this LLSN */
bool refused[5];

Flight flight[WRITERS];              /* one append under way per writer ... */
Entry late[WRITERS]; bool pending[WRITERS];  /* ... and one that its sender gave up, and that may still land */

inline land(its_kind, its_epoch, its_id, its_batch, its_offset) {
  last++;
  log[last].kind = its_kind; log[last].epoch = its_epoch; log[last].id = its_id;
  log[last].batch = its_batch; log[last].offset = its_offset;
  epoch[last] = epoch[last-1]; next[last] = next[last-1];
  raised[last] = raised[last-1]; owner[last] = owner[last-1];
  if
  :: (log[last].kind == FENCE && log[last].epoch > epoch[last]) ->
       epoch[last] = log[last].epoch; raised[last] = last; owner[last] = log[last].id
  :: (log[last].kind == BATCH && epoch[last] > 0 && log[last].epoch == epoch[last] && log[last].offset == next[last]) ->
       assert(place[log[last].batch] == 0);   /* not in the fold twice */
       assert(!refused[log[last].batch]);     /* not after it was refused as certain */
       place[log[last].batch] = log[last].offset + 1; landed[log[last].batch] = last;
       next[last] = next[last] + 1
  :: else
  fi
}

#define LAND_SENT(i) printf("STEP %d lands\n", i); land(flight[i].entry.kind, flight[i].entry.epoch, flight[i].entry.id, \
                          flight[i].entry.batch, flight[i].entry.offset); flight[i].llsn = last
#define LAND_LATE(i) printf("STEP %d lands late\n", i); land(late[i].kind, late[i].epoch, late[i].id, late[i].batch, late[i].offset); \
                     pending[i] = false

/* The network: appends land in any order between writers, the given-up ones at any time or never. */
active proctype network() {
  do
  :: atomic { last < LOG - 1 ->
       if
       :: flight[0].sent && flight[0].llsn == 0 -> LAND_SENT(0)
       :: flight[1].sent && flight[1].llsn == 0 -> LAND_SENT(1)
       :: pending[0] -> LAND_LATE(0)
       :: pending[1] -> LAND_LATE(1)
       :: pending[0] -> printf("STEP 0 is dropped\n"); pending[0] = false  /* with its connection */
       :: pending[1] -> printf("STEP 1 is dropped\n"); pending[1] = false
       fi }
  od
}

#ifdef SAME_ID
#define ID(attempt) (1 + me)
#define OURS(i) (i == ID(0))                               /* of any attempt, ever */
#else
#define ID(attempt) (1 + me * OPENINGS + attempt)
#define OURS(i) (i >= ID(begun) && i < ID(attempt))        /* of an attempt of this opening */
#endif

proctype writer(byte me) {
  byte attempt = 0;                  /* attempts to open so far */
  byte begun = 0;                    /* ... when this opening began: one opening has as many as it takes */
  byte held = 0;                     /* the epoch owned a moment ago; 0: none */
  byte seen;                         /* folded up to this LLSN */
  byte mine;                         /* epoch of the fence that owns */
  byte expected; byte offset;        /* of the next entry */
  byte batch = 1 + me * BATCHES;     /* the one to be stored next */
  byte sent_epoch = 0;               /* in doubt: the batch was sent in this epoch; 0: not in doubt */

opening:
  if
  :: attempt == OPENINGS || batch == 1 + me * BATCHES + BATCHES -> goto done
  :: else
  fi;
  atomic { seen = last;              /* fold up to the tail */
    printf("STEP %d looks\n", me);
    if
    :: held != 0 && epoch[seen] > held && !OURS(owner[seen]) -> goto deposed
    :: else
    fi;
    if :: held == 0 -> held = epoch[seen]; if :: held == 0 -> held = 255 :: else fi :: else fi;
    if :: held == 255 && epoch[seen] > 0 && !OURS(owner[seen]) -> goto deposed :: else fi;
#ifdef NO_FENCE
    mine = epoch[seen];
    attempt++;
    goto settled
#else
#ifdef BY_ID
    if :: OURS(owner[seen]) -> mine = epoch[seen]; attempt++; goto settled :: else fi;
#endif
    flight[me].entry.kind = FENCE; flight[me].entry.epoch = epoch[seen] + 1;
    flight[me].entry.id = ID(attempt); flight[me].entry.batch = 0; flight[me].entry.offset = 0;
    flight[me].llsn = 0; flight[me].sent = true; attempt++
#endif
  };
  if                                 /* the answer comes, or is given up while the fence may still land */
  :: atomic { flight[me].llsn > 0 -> printf("STEP %d hears\n", me); flight[me].sent = false }
  :: atomic { !pending[me] -> printf("STEP %d gives up\n", me);
       if :: flight[me].llsn == 0 ->
               late[me].kind = FENCE; late[me].epoch = flight[me].entry.epoch;
               late[me].id = flight[me].entry.id; late[me].batch = 0; late[me].offset = 0;
               pending[me] = true
          :: else fi;
       flight[me].sent = false }; goto opening
  fi;
  atomic {                           /* read on to the fence; does it own the epoch? */
    seen = flight[me].llsn;
#ifdef NO_OWN_CHECK
    mine = flight[me].entry.epoch
#else
    if :: raised[seen] == seen :: else -> goto opening fi;
    mine = epoch[seen]
#endif
  };

settled:
  atomic {
    held = mine;
    if                               /* everything before the own fence is settled */
    :: sent_epoch > 0 && place[batch] > 0 && landed[batch] <= seen -> batch++
    :: sent_epoch > 0 && !(place[batch] > 0 && landed[batch] <= seen) ->
         if                          /* nobody waits any more: certainly not stored; or it is sent again */
         :: printf("STEP %d refuses\n", me); assert(place[batch] == 0); refused[batch] = true; batch++
         :: skip
         fi
    :: else
    fi;
    sent_epoch = 0; begun = attempt;
    expected = seen + 1; offset = next[seen]
  };

serving:
  if :: batch == 1 + me * BATCHES + BATCHES -> goto done :: else fi;
  atomic {
    flight[me].entry.kind = BATCH; flight[me].entry.epoch = mine; flight[me].entry.id = 0;
    flight[me].entry.batch = batch; flight[me].entry.offset = offset;
    flight[me].llsn = 0; flight[me].sent = true; sent_epoch = mine };
  if
  :: atomic { flight[me].llsn > 0 ->
       printf("STEP %d hears\n", me); flight[me].sent = false;
#ifndef NO_LLSN_CHECK
       if :: flight[me].llsn != expected -> goto opening :: else fi;
#endif
       assert(place[batch] == offset + 1);    /* acknowledged: it is in the fold, at this offset */
       batch++; sent_epoch = 0; expected++; offset++ }; goto serving
  :: atomic { !pending[me] -> printf("STEP %d gives up\n", me);
       if :: flight[me].llsn == 0 ->
               late[me].kind = BATCH; late[me].epoch = flight[me].entry.epoch; late[me].id = 0;
               late[me].batch = flight[me].entry.batch; late[me].offset = flight[me].entry.offset;
               pending[me] = true
          :: else fi;
       flight[me].sent = false }; goto opening
  fi;

deposed:
  atomic {                           /* by a newer fence at or before `seen`: what is in doubt is settled */
    if
    :: sent_epoch > 0 && place[batch] > 0 && landed[batch] <= seen -> batch++
    :: sent_epoch > 0 && !(place[batch] > 0 && landed[batch] <= seen) ->
         assert(place[batch] == 0); refused[batch] = true
    :: else
    fi;
    sent_epoch = 0 };

done:
  skip
}

init { atomic {
#ifdef NO_FENCE
    land(FENCE, 1, 1 + WRITERS * OPENINGS, 0, 0);   /* a former writer's: there is an epoch to send in */
#endif
    run writer(0); run writer(1) } }
