#include "client/fetch_impl.h"
#include "client/retry.h"
#include "client/validator.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

/// Gathers small body pieces so that a file costs few system calls.
constexpr std::size_t write_size = 256 * 1024;
/// Of the page that comes with an error or a redirect this much is read: cheaper than to end an HTTP/1.1
/// connection.
constexpr std::uint64_t largest_page = 64 * 1024;

/// A range that is refused for the moment is asked for again after this long at most.
constexpr Duration longest_pause = 30s;

constexpr std::string_view other_version = "the server has another version by now";
constexpr std::string_view other_parts = "the server sent other parts of it than were asked for";

}  // namespace

Fetch::Impl::Part::Part(Impl& owner, const RangePlan::Wanted& wanted)
    : fetch(owner), asked(wanted), range(wanted.range), at(wanted.range.begin) {}

void Fetch::Impl::Part::on_informational(http::Exchange& from, const http::Response& head) {
  if (auto shown = fetch.sender.show(from, head); !shown) fetch.fail_fetch(shown.error());
}

void Fetch::Impl::Part::on_response(http::Exchange& from, const http::Response& head) {
  fetch.head_came(*this, from, head);
}

void Fetch::Impl::Part::on_writable(http::Exchange& from) {
  fetch.last_byte = fetch.timers.now();  // somebody takes it
  if (content) content->send(from);
}

void Fetch::Impl::Part::on_body(http::Exchange& from, Bytes body) {
  if (accepted) return fetch.body_came(*this, from, body);
  from.consume(body.size());
  fetch.page_came(from, body.size());
}

/// That is all: the exchange itself lasts until the server has acknowledged the request's end, over HTTP/3 as
/// late as its ACK is delayed.
void Fetch::Impl::Part::on_end(http::Exchange& from) {
  ended = true;
  from.set_handler(nullptr);
  // A server may answer before it has all of the content, and then wants no more of it.
  if (content && !content->is_done()) from.reset(http::ResetCode::no_error);
  fetch.flush(*this);
  exchange = nullptr;
  fetch.part_closed(*this, nullptr);
}

void Fetch::Impl::Part::on_closed(http::Exchange&, const Error* why) {
  exchange = nullptr;
  fetch.part_closed(*this, why);
}

void Fetch::Impl::head_came(Part& part, http::Exchange& from, const http::Response& head) {
  if (part.dropped || error) return;
  part.answered = true;
  last_byte = timers.now();
  if (auto shown = sender.show(from, head); !shown) return fail_fetch(shown.error());
  if (figures.status == 0) {
    figures.first_byte = last_byte;
    if (const auto offered = head.fields.find("alt-svc")) figures.alt_svc = std::string(*offered);
  }
  if (figures.status / 100 != 2) {
    figures.status = head.status;
    figures.fields = head.fields;
  }
  if (sender.takes(head)) {
    if (head.status / 100 == 2 && sender.wants_whole()) return succeeded(part, head);
    return whole_came(part, head);
  }
  if (head.status / 100 == 2) return succeeded(part, head);
  if (head.status == 416 && part.asked.by_range()) {
    if (resuming && figures.bytes == 0) return start_over(other_version);
    // An empty resource has no range at all; another server's may be shorter.
    return start_over_whole(other_version);
  }
  if (waits_for_better(part, head)) return;
  refused(from, head);
}

void Fetch::Impl::succeeded(Part& part, const http::Response& head) {
  const Answer answer = judge(part.question, head);
  switch (answer.is) {
    case Answer::Is::whole:
      return whole_came(part, head, answer.size);
    case Answer::Is::part:
      return range_came(part, head, answer);
    case Answer::Is::other_version:
      return other_version_came();
    case Answer::Is::useless:
      // Without a Range the server has no choice but to send all of it.
      if (part.asked.by_range()) return start_over_whole(other_parts);
      return fail_fetch(
          {ErrorKind::protocol,
           fmt::format("{} answered with a part of {} ({}{}) where all of it was asked for", url.host,
                       url.to_string(), head.status,
                       head.fields.contains("content-range")
                           ? fmt::format(", Content-Range {}", *head.fields.find("content-range"))
                           : "")});
  }
}

/// A part was refused by what passes, while others came: the server, or one of several, has enough to do.
bool Fetch::Impl::waits_for_better(Part& part, const http::Response& head) {
  if (!part.asked.may_wait() || state.size == 0 ||
      !is_transient(status_error(url, head.status, {}), options.request.plan))
    return false;
  const std::int64_t unix_now = options.unix_time + (timers.now() - began) / 1s;
  const Duration wait = retry_after(head.fields, unix_now).value_or(backoff(part.asked.refusals + 1));
  if (wait > longest_pause) return false;
  plan.ask_later(part.asked);
  if (!pause.armed() || pause.deadline() < timers.now() + wait) pause.arm(timers.now() + wait);
  drop(part);
  return true;
}

/// By a status that means failure, or a redirect.
void Fetch::Impl::refused(http::Exchange& from, const http::Response& head) {
  figures.status = head.status;
  figures.fields = head.fields;
  if (const auto location = head.fields.find("location"); location && head.status / 100 == 3)
    figures.location = std::string(*location);
  error = status_error(url, head.status, figures.location, options.request.plan.authority);
  // Its page is read first, so that the connection is free for what follows.
  const auto length = head.fields.find("content-length");
  const auto size = length ? http::parse_content_length(*length) : std::nullopt;
  if (running_parts() > 1 || size.value_or(0) > largest_page) {
    finish();
    from.stop_reading();
  }
}

void Fetch::Impl::page_came(http::Exchange& from, std::size_t bytes) {
  last_byte = timers.now();
  page_bytes += bytes;
  if (page_bytes <= largest_page) return;
  from.reset(http::ResetCode::cancelled);
}

void Fetch::Impl::range_came(Part& part, const http::Response& head, const Answer& answer) {
  const bool first = state.size == 0;
  const std::string validator = first ? range_validator(head) : state.validator;
  // What cannot be told from another version's is not joined with anything.
  if (validator.empty() && answer.range.size() < answer.size) return start_over_whole(other_version);
  // A server may answer with less than was asked for; what is left is asked for again.
  if (!first) plan.ask_rest(part.asked, answer.range.end);
  part.range = answer.range;
  part.accepted = true;
  if (resuming && !std::exchange(told_resumed, true)) note_resumed();
  if (!first) return;
  state.size = figures.size = answer.size;
  state.validator = validator;
  figures.resumable = !validator.empty();
  plan.ask_missing(claimed_ranges(), state.size);
  start_parts();
}

/// From a server that does not know If-Range, or from several that do not agree.
void Fetch::Impl::other_version_came() {
  if (resuming && figures.bytes == 0) return start_over(other_version);
  start_over_whole(other_version);
}

/// All of it, in one answer: that is true by itself, whatever came before. (If-Range did not match, or the
/// server does not answer by ranges, or not always.)
void Fetch::Impl::whole_came(Part& part, const http::Response& head, std::uint64_t announced) {
  for (auto& other : parts)
    if (other.get() != &part) drop(*other);
  if (resuming)
    note_from_start(range_validator(head) == state.validator ? "the server sends no parts of it"
                    : range_validator(head).empty()          ? "the server does not say which version it has"
                                                             : other_version);
  if ((resuming || state.size > 0) && !forget_earlier()) return;
  plan.clear();
  pause.disarm();
  part.accepted = true;
  part.range = {0, announced};
  part.at = 0;
  state.validator = range_validator(head);
  if (announced > 0) state.size = figures.size = announced;
  if (const auto length = head.fields.find("content-length"))
    if (const auto size = http::parse_content_length(*length)) state.size = figures.size = *size;
  figures.resumable = state.size > 0 && !state.validator.empty() && !sender.is_whole_only();
}

void Fetch::Impl::body_came(Part& part, http::Exchange& from, Bytes body) {
  if (finished) return;
  last_byte = timers.now();
  if (part.range.end && part.at + body.size() > part.range.end) {
    fail_fetch({ErrorKind::protocol, fmt::format("{} sent more than the range it announced", url.host)});
    return from.reset(http::ResetCode::cancelled);
  }
  figures.bytes += body.size();
  sender.pace().moved(body.size());
  part.at += body.size();
  part.unconsumed += body.size();
  if (!output.gather_writes()) {
    store(part.at - body.size(), body);
    return consume(part);
  }
  if (part.buffered.capacity() == 0) part.buffered.reserve(write_size + 64 * 1024);
  part.buffered.insert(part.buffered.end(), body.begin(), body.end());
  if (part.buffered.size() >= write_size) flush(part);
  // A pipe's reader is not to wait for a buffer to fill.
  if (!output.seekable() && !part.buffered.empty()) return turn_end.request();
  consume(part);
}

void Fetch::Impl::flush(Part& part) {
  if (part.buffered.empty()) return;
  store(part.at - part.buffered.size(), part.buffered);
  part.buffered.clear();
  consume(part);
}

/// The server may send more, unless whoever reads the output is behind.
void Fetch::Impl::consume(Part& part) {
  if (part.exchange == nullptr || output.queued_bytes() > 0 || sender.pace().holds_back()) return;
  if (const std::size_t bytes = std::exchange(part.unconsumed, 0)) part.exchange->consume(bytes);
}

void Fetch::Impl::store(std::uint64_t offset, Bytes bytes) {
  if (auto written = output.write_at(offset, bytes); !written) return fail_fetch(written.error());
  add_range(state.done, {offset, offset + bytes.size()});
  note_progress(false);
}

void Fetch::Impl::note_progress(bool now) {
  if (figures.resumable) output.note_progress(state, now);
}

/// Whoever reads the output has caught up, or is gone.
void Fetch::Impl::drained() {
  last_byte = timers.now();  // what was silent meanwhile was not the server
  if (finished) return next_turn.arm(timers.now());
  if (auto written = output.write_at(0, {}); !written) return fail_fetch(written.error());
  for (auto& part : parts) consume(*part);
  maybe_conclude();
}

void Fetch::Impl::part_closed(Part& part, const Error* why) {
  part.closed = true;
  if (part.content) part.content->stop();
  flush(part);
  part.buffered = std::vector<std::uint8_t>();
  if (finished || start_again) return;
  if (error) return finish();
  if (part.dropped) return maybe_conclude();
  if (why && !part.answered && may_be_tried_again(part, *why)) {
    plan.ask_again(part.asked);
    return next_turn.arm(timers.now());
  }
  if (!part.accepted || !part.ended || (part.range.end && part.at != part.range.end))
    return fail_fetch(why ? named(*why) : named({ErrorKind::closed, "the response was cut short"}));
  if (!part.range.end) state.size = figures.size = part.at;
  if (!plan.empty()) next_turn.arm(timers.now());
  maybe_conclude();
}

}  // namespace sallyport::client
