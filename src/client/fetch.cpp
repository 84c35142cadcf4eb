#include "client/fetch.h"

#include "client/content_range.h"
#include "client/fetch_impl.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {

bool is_of_connection(ErrorKind kind) {
  return kind == ErrorKind::closed || kind == ErrorKind::timeout || kind == ErrorKind::unreachable ||
         kind == ErrorKind::refused;
}

Fetch::Impl::Impl(net::Timers& time, Open finds, dial::Url what, Output& into, FetchOptions fetch_options,
                  Done when_done)
    : timers(time),
      open(std::move(finds)),
      url(std::move(what)),
      output(into),
      options(std::move(fetch_options)),
      done(std::move(when_done)),
      plan(options.parts, options.smallest_part),
      stall(timers, [this](Time now) { check_stall(now); }),
      next_turn(timers, [this](Time) { step(); }),
      pause(timers, [this](Time) { start_parts(); }),
      turn_end(timers,
               [this](Time) {
                 for (auto& part : parts) flush(*part);
               }),
      sender(timers, options.request, [this] { go_on(); }) {}

Fetch::Impl::~Impl() {
  if (done) output.set_drained_handler(nullptr);
  if (done && figures.bytes > 0) {  // given up in the middle
    for (auto& part : parts) flush(*part);
    note_progress(true);
  }
  for (auto& part : parts)
    if (part->exchange) {
      part->exchange->set_handler(nullptr);
      part->exchange->reset(http::ResetCode::cancelled);
    }
}

void Fetch::Impl::start() {
  began = timers.now();
  output.set_drained_handler([this] { drained(); });
  state = output.earlier();
  // Without a validator nobody can tell whether what is there belongs to what would come (RFC 9110
  // §15.3.7).
  const bool usable = !state.validator.empty() && state.size <= largest_resource;
  // Of nothing that is there, nothing is known: size and validator may be another version's by now.
  if (state.done.empty())
    state = {};
  else if (!usable) {
    note_from_start("the server did not tell which version it is");
    if (!forget_earlier()) return;
  }
  begin();
}

void Fetch::Impl::begin() {
  if (!state.done.empty()) {
    resuming = true;
    figures.resumable = true;
    figures.resumed_bytes = total_size(state.done);
    figures.size = state.size;
    plan.ask_missing(claimed_ranges(), state.size);
    if (plan.empty()) return finish();
    return start_parts();
  }
  plan.ask_first(output.seekable() && !sender.is_whole_only());
  start_parts();
}

void Fetch::Impl::note_from_start(std::string_view why) {
  if (options.note)
    options.note(fmt::format("cannot go on with '{}': {}; it is downloaded from the start",
                             output.partial_path(), why));
}

/// The server has the same version still.
void Fetch::Impl::note_resumed() {
  if (!options.note) return;
  std::string sentence = fmt::format("going on with '{}': {} of {} bytes are kept", output.partial_path(),
                                     figures.resumed_bytes, state.size);
  if (const std::uint64_t again = output.untold_bytes(); again > 0)
    sentence += fmt::format(
        ", and {} more that it has are asked for again, as the last run ended before it had noted them",
        again);
  options.note(sentence);
}

/// False when the file cannot be emptied, which ends the fetch.
bool Fetch::Impl::forget_earlier() {
  resuming = false;
  figures.resumed_bytes = figures.size = 0;
  figures.resumable = false;
  state.done.clear();
  state.validator.clear();
  state.size = 0;
  plan.clear();
  if (auto emptied = output.truncate(); !emptied) {
    fail_fetch(emptied.error());
    return false;
  }
  return true;
}

/// What is there is not of what the server has now, or ranges do not do: all over, in a turn of its own.
void Fetch::Impl::start_over(std::string_view why) {
  if (resuming) note_from_start(why);
  for (auto& part : parts) drop(*part);
  pause.disarm();
  plan.clear();
  if ((resuming || state.size > 0) && !forget_earlier()) return;
  start_again = true;
  next_turn.arm(timers.now());
}

/// By one request without a range, whose answer is true by itself. Ends what ranges began, so it comes once.
void Fetch::Impl::start_over_whole(std::string_view why) {
  plan.give_up_ranges();
  start_over(why);
}

/// The answer of `part` is not wanted any more.
void Fetch::Impl::drop(Part& part) {
  part.buffered = std::vector<std::uint8_t>();
  if (std::exchange(part.dropped, true) || !part.exchange) return;
  part.accepted = false;
  part.exchange->reset(http::ResetCode::cancelled);
}

/// What is there, or on its way by a part that runs.
std::vector<ByteRange> Fetch::Impl::claimed_ranges() const {
  std::vector<ByteRange> claimed = state.done;
  for (const auto& part : parts)
    if (!part->closed && !part->dropped && part->range.end) add_range(claimed, part->range);
  return claimed;
}

std::size_t Fetch::Impl::running_parts() const {
  return static_cast<std::size_t>(std::count_if(
      parts.begin(), parts.end(), [](const auto& part) { return !part->closed && !part->dropped; }));
}

/// Sends what may go now. Not inside the last call of a part that ran alone: HTTP/1.1 is busy until it
/// returns.
void Fetch::Impl::start_parts() {
  if (finished || opening || pause.armed()) return;
  std::size_t running = running_parts();
  const auto runs = std::ranges::find_if(parts, [](const auto& p) { return !p->closed && !p->dropped; });
  if (runs != parts.end()) {  // all are on one connection
    http::Connection& connection = (*runs)->exchange->connection();
    for (; running < plan.at_once() && !plan.empty() && connection.can_request(); ++running)
      begin_part(connection);
  }
  if (running > 0 || plan.empty()) return;
  opening = true;
  stall.disarm();  // how long a connection may take is its owner's to say
  open([this, watch = Lifetime::Watch(lifetime)](Result<http::Connection*> connection) {
    if (!watch.gone()) opened(std::move(connection));
  });
}

void Fetch::Impl::opened(Result<http::Connection*> connection) {
  opening = false;
  if (finished) return;
  if (!connection) return fail_fetch(connection.error());
  last_byte = timers.now();
  if (figures.requests == 0) figures.started = last_byte;
  stall.arm(last_byte + options.stall_timeout);
  if (!plan.empty()) begin_part(**connection);
  start_parts();
}

void Fetch::Impl::begin_part(http::Connection& connection) {
  parts.push_back(std::make_unique<Part>(*this, plan.take()));
  Part& part = *parts.back();
  http::Request request = sender.request(url);
  if (part.asked.by_range()) {
    part.question = {part.range, state.size, state.validator};
    request.fields.add("range", fmt::format("bytes={}-{}", part.range.begin, part.range.end - 1));
    if (!state.validator.empty()) request.fields.add("if-range", state.validator);
  }
  ++figures.requests;
  part.exchange = &sender.send(connection, std::move(request), part, part.content);
}

/// What the rate held back may move again.
void Fetch::Impl::go_on() {
  for (auto& part : parts) {
    consume(*part);
    if (part->exchange && part->content) part->content->send(*part->exchange);
  }
}

bool Fetch::Impl::may_be_tried_again(const Part& part, const Error& why) const {
  return may_reopen && part.asked.may_be_tried_again() && is_of_connection(why.kind) &&
         sender.may_repeat(why);
}

/// What a connection says of its end names nobody.
Error Fetch::Impl::named(Error why) const {
  if (is_of_connection(why.kind) && why.message.find(url.host) == std::string::npos)
    why.message = "origin " + url.origin() + ": " + why.message;
  return why;
}

void Fetch::Impl::maybe_conclude() {
  if (running_parts() == 0 && !opening && plan.empty()) finish();
}

void Fetch::Impl::fail_fetch(Error why) {
  if (!error && !finished) error = std::move(why);
  finish();
}

/// The verdict is given in a later turn, since connection and exchange are in the middle of a call.
void Fetch::Impl::finish() {
  if (finished) return;
  finished = true;
  stall.disarm();
  pause.disarm();
  next_turn.arm(timers.now());
}

/// What had to wait for the end of a call.
void Fetch::Impl::step() {
  if (finished) return conclude();
  std::erase_if(parts, [](const auto& part) { return part->closed && part->exchange == nullptr; });
  if (std::exchange(start_again, false)) return begin();
  start_parts();
}

void Fetch::Impl::conclude() {
  if (figures.ended == Time{}) {
    figures.ended = timers.now();
    for (auto& part : parts)
      if (!part->closed && part->accepted) flush(*part);
  }
  if (output.queued_bytes() > 0) return;  // drained() comes back
  output.set_drained_handler(nullptr);    // another fetch may go on with it
  // Whatever led here: what is not whole is not called so.
  if (!error && output.seekable() && !sender.is_whole_only() &&
      !missing_ranges(state.done, state.size).empty())
    error = Error{ErrorKind::protocol, fmt::format("{} came in part only", url.to_string())};
  Result<> result;
  if (error) {
    if (figures.bytes + figures.resumed_bytes > 0) note_progress(true);
    result = std::unexpected(*error);
  } else {
    result = output.complete();
  }
  if (auto call = std::exchange(done, nullptr)) call(std::move(result));
}

void Fetch::Impl::check_stall(Time now) {
  const bool waits_for_content = std::any_of(parts.begin(), parts.end(), [](const auto& part) {
    return part->exchange && part->content && part->content->waits();
  });
  // It is the output's reader that we wait for, or whoever writes what we send, or ourselves.
  if (output.queued_bytes() > 0 || sender.pace().holds_back() || waits_for_content || pause.armed())
    last_byte = now;
  if (now - last_byte < options.stall_timeout) return stall.arm(last_byte + options.stall_timeout);
  stalled = true;
  fail_fetch({ErrorKind::timeout,
              fmt::format("nothing came from {} for {:g} s", url.host, in_seconds(options.stall_timeout))});
}

Fetch::Fetch(net::Timers& timers, Open open, dial::Url url, Output& output, FetchOptions options, Done done)
    : impl_(std::make_unique<Impl>(timers, std::move(open), std::move(url), output, std::move(options),
                                   std::move(done))) {}

Fetch::Fetch(http::Connection& connection, const dial::Url& url, Output& output, FetchOptions options,
             Done done)
    : Fetch(
          connection.timers(),
          [&connection, host = url.host](const Opened& opened) {
            if (connection.can_request()) return opened(&connection);
            opened(
                fail(ErrorKind::closed, fmt::format("{} takes no more requests on this connection", host)));
          },
          url, output, std::move(options), std::move(done)) {
  impl_->may_reopen = false;
}

Fetch::~Fetch() = default;

void Fetch::start() {
  impl_->start();
}

const FetchFigures& Fetch::figures() const {
  return impl_->figures;
}

bool Fetch::stalled() const {
  return impl_->stalled;
}

}  // namespace sallyport::client
