using System.Collections.Frozen;

namespace Dormouse.Core.Queues;

/// <summary>Decides whether the request of an item may be changed, and what it is afterwards.</summary>
public static class EditRule
{
    /// <summary>They describe the bytes of one body, and no other.</summary>
    private static readonly FrozenSet<string> OfTheBody =
        new[] { "Content-Encoding", "Content-Digest", "Digest", "Repr-Digest", "Content-MD5", "Inference-Header-Content-Length" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>True of a header that says something of the bytes of its body: it goes when the body does.</summary>
    public static bool DescribesBody(string header) => OfTheBody.Contains(header);

    /// <summary>Only an item that has ended and can be run anew is changed, and only so often: each edit keeps what stood there before.</summary>
    /// <param name="editsBefore">How often it was changed already.</param>
    /// <returns>The item with its next request, or why not.</returns>
    public static EditOutcome Apply(QueueItem item, RequestEdit edit, int editsBefore)
    {
        if (item.State.IsLive())
        {
            return new EditOutcome.Refused("The invocation has not ended: what waits or runs cannot be changed. Cancel it first, or wait for its end.");
        }

        if (item.State == QueueState.Succeeded)
        {
            return new EditOutcome.Refused("The invocation has succeeded: it is not run anew, so there is nothing to change.");
        }

        if (edit.Changes.IsEmpty)
        {
            return new EditOutcome.Refused("Nothing is to be changed: give a body, headers or a query.");
        }

        if (editsBefore >= QueueLimits.EditsMax)
        {
            return new EditOutcome.Refused($"The invocation was changed {editsBefore} times already, and each keeps what stood there before; {QueueLimits.EditsMax} times is allowed. Send a new one.");
        }

        if (edit.Query is not null && item.Request.Target is null)
        {
            return new EditOutcome.Refused("The invocation is an inference: its address has no query. Change its body.");
        }

        return new EditOutcome.Edited(item with
        {
            BodyBytes = edit.Body?.Length ?? item.BodyBytes,
            Request = item.Request with
            {
                Target = edit.Query is { } query ? WithQuery(item.Request.Target!, query) : item.Request.Target,
                Headers =
                [
                    .. item.Request.Headers.Where(h => !(edit.Body is not null && DescribesBody(h.Key)) && !Names(edit, h.Key)),
                    .. edit.SetHeaders,
                ],
            },
        });
    }

    private static bool Names(RequestEdit edit, string header) =>
        edit.RemovedHeaders.Contains(header, StringComparer.OrdinalIgnoreCase) || edit.SetHeaders.Any(h => h.Key.Equals(header, StringComparison.OrdinalIgnoreCase));

    private static string WithQuery(string target, string query)
    {
        var path = target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var end ? target[..end] : target;
        return query.Length == 0 ? path : path + "?" + query;
    }
}
