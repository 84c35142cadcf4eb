#include "dial/failure.h"

#include "masque/refusal_error.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

constexpr std::size_t smallest_quic_datagram = 1200;  // RFC 9000 §14

/// Other refusals are of the method or of who asks, and say nothing of the target.
bool is_of_target(const Error& refusal) {
  return refusal.kind == ErrorKind::refused || refusal.kind == ErrorKind::unreachable ||
         refusal.kind == ErrorKind::resolve || refusal.kind == ErrorKind::timeout;
}

Tells told_by(const Tried& tried) {
  if (tried.reach == Reach::answered) return Tells::answered;
  if (tried.reach == Reach::path) {
    const bool lost =
        tried.tunnel_size && tried.tunnel_error && tried.tunnel_error->code == masque::target_lost;
    return lost ? Tells::target_lost : Tells::path;
  }
  return tried.tunnel_error && is_of_target(*tried.tunnel_error) ? Tells::reason : Tells::nothing;
}

Failure failure_of(const Tried& tried, Error error, bool of_hop) {
  return {std::move(error), of_hop, tried.name, tried.reach, told_by(tried)};
}

std::string seconds(Duration duration) {
  return fmt::format("{:g} s", in_seconds(duration));
}

}  // namespace

/// It said what is the reason: who asks (401, 407), an address that its policy forbids, how often (429), a
/// name that has no address, or that it leads back to the hop itself (508). Another 403 may be of CONNECT-UDP
/// alone, as where somebody forbids UDP.
bool Tried::is_refused_for_all() const {
  return is_refused() &&
         (tunnel_error->kind == ErrorKind::resolve || tunnel_error->kind == ErrorKind::denied ||
          tunnel_error->code == 429 || tunnel_error->code == 508);
}

FailureWords::FailureWords(std::string title, std::string hop, Duration patience, std::string advice)
    : title_(std::move(title)), hop_(std::move(hop)), patience_(patience), advice_(std::move(advice)) {}

Failure FailureWords::explain(const Tried& tried, const Error& why, bool was_ready) const {
  // It is the hop that refused or ended the tunnel, and its error that tells more than the connection's
  // inside.
  if (tried.tunnel_error) return failure_of(tried, *tried.tunnel_error, true);
  if (!was_ready) {
    if (auto narrow = too_narrow(tried)) return *narrow;
    if (why.kind == ErrorKind::timeout)
      if (auto silent = unanswered(tried)) return *silent;
  }
  return failure_of(tried, why, false);
}

Failure FailureWords::closed(const Tried& tried) const {
  return failure_of(tried, {ErrorKind::closed, "the connection was closed"}, false);
}

Failure FailureWords::silence(const Tried& tried) const {
  if (auto silent = unanswered(tried)) return *silent;
  if (!tried.owed.empty())
    return failure_of(tried,
                      {ErrorKind::timeout, fmt::format("it opened a tunnel to {}, but gave no {} within {}",
                                                       tried.target, tried.owed, seconds(patience_))},
                      true);
  return failure_of(tried, {ErrorKind::timeout, "no answer within " + seconds(patience_)}, false);
}

/// The hop did not say whether it opens the tunnel.
std::optional<Failure> FailureWords::unanswered(const Tried& tried) const {
  if (hop_.empty() || tried.reach != Reach::nothing) return std::nullopt;
  return failure_of(tried,
                    {ErrorKind::timeout, fmt::format("no answer within {} to the request for a tunnel to {}",
                                                     seconds(patience_), tried.target)},
                    true);
}

std::optional<Failure> FailureWords::too_narrow(const Tried& tried) const {
  if (!tried.tunnel_size || *tried.tunnel_size >= smallest_quic_datagram) return std::nullopt;
  const std::string what =
      tried.tunnel_headers == 0
          ? fmt::format("datagrams of {} bytes only, and QUIC needs {}", *tried.tunnel_size,
                        smallest_quic_datagram)
          : fmt::format(
                "IP packets of {} bytes only, and QUIC needs {} behind {} bytes of IP and UDP headers",
                *tried.tunnel_size + tried.tunnel_headers, smallest_quic_datagram, tried.tunnel_headers);
  return failure_of(
      tried,
      {ErrorKind::too_large,
       fmt::format("the path inside {} carries {}; use fewer hops or a network with a larger MTU", hop_,
                   what)},
      false);
}

Error FailureWords::unresolved(const std::string& host, Duration patience) {
  return {ErrorKind::timeout,
          fmt::format("the name '{}' was not resolved within {}", host, seconds(patience))};
}

Error FailureWords::titled(const Failure& failure) const {
  return failure.of_hop ? of_hop(failure.error) : of_peer(failure.error);
}

Error FailureWords::of_peer(Error error) const {
  error.message = title_ + ": " + error.message;
  return error;
}

Error FailureWords::of_hop(Error error) const {
  error.message = hop_ + ": " + error.message;
  return error;
}

std::string FailureWords::line(const Tried& tried, const Failure& failure) const {
  const bool named = !hop_.empty() || failure.error.message.find(tried.target) != std::string::npos;
  if (named) return titled(failure).message;
  return fmt::format("{}: {} to {}: {}", title_, tried.name, tried.target, failure.error.message);
}

Error FailureWords::told(std::vector<Failure> failures) const {
  if (failures.empty()) return of_peer({ErrorKind::closed, "the connection could not be established"});
  std::ranges::stable_sort(failures, std::ranges::greater{}, &Failure::tells);
  Failure told = failures.front();
  if (told.reach == Reach::answered) return titled(told);
  const auto other = std::ranges::find_if(failures, [&](const Failure& f) { return f.name != told.name; });
  if (hop_.empty() && other != failures.end() && other->error.message != told.error.message)
    told.error.message =
        fmt::format("{}: {}; {}: {}", told.name, told.error.message, other->name, other->error.message);
  if (!advice_.empty() && !told.of_hop) told.error.message += " (" + advice_ + ")";
  return titled(told);
}

const Failure& most_telling(std::span<const Failure> failures) {
  assert(!failures.empty());
  return *std::ranges::max_element(failures, {}, &Failure::tells);
}

Error blame_silence(const Error& why, std::span<const Heard> hops, Time now, Duration silence) {
  for (const Heard& hop : hops) {
    const Duration hop_silence = now - hop.last;
    if (hop.last == Time{} || hop_silence < silence * 3 / 4) continue;
    return {ErrorKind::timeout,
            fmt::format("{}: nothing came from it for {:g} s", hop.title,
                        static_cast<double>(hop_silence / 100ms) / 10),
            why.code};
  }
  return why;
}

}  // namespace sallyport::dial
