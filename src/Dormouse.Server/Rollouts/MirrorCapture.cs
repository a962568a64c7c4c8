using System.Buffers;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Gateway;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Rollouts;

/// <summary>An invocation chosen for mirroring: what its copy needs, and the answer that its caller gets, taken down as it passes.</summary>
internal sealed class MirrorCapture : IDisposable
{
    /// <summary>Longer answers are not compared.</summary>
    public const int AnswerBytesMax = 1 << 20;

    private readonly ArrayBufferWriter<byte> _answer = new();
    private string? _type;
    private int? _jsonLength;

    private Action? _ended;

    /// <param name="ended">Gives the place back that it takes among the copies; called once.</param>
    public MirrorCapture(Endpoint endpoint, Mirror mirror, StoredRequest request, Action ended) => (Endpoint, Mirror, Request, _ended) = (endpoint, mirror, request, ended);

    public Endpoint Endpoint { get; }

    public Mirror Mirror { get; }

    public StoredRequest Request { get; }

    /// <summary>Status of the answer; 0 before it began.</summary>
    public int Status { get; private set; }

    /// <summary>More than <see cref="AnswerBytesMax"/> came.</summary>
    public bool IsTooLong { get; private set; }

    public ComparedAnswer Answer => new(_type, _jsonLength, _answer.WrittenMemory);

    /// <summary>Its copy will run, and whoever runs it gives the place back by what this returns.</summary>
    public Action? TakeOver() => Interlocked.Exchange(ref _ended, null);

    /// <summary>There will be no copy, unless it was taken over.</summary>
    public void Dispose() => TakeOver()?.Invoke();

    /// <summary>An instance answers; another attempt begins anew.</summary>
    public void Began(HttpResponseMessage response)
    {
        Status = (int)response.StatusCode;
        _type = response.Content.Headers.ContentType?.ToString();
        _jsonLength = MirrorAnswers.JsonLength(response);
        _answer.ResetWrittenCount();
        IsTooLong = false;
    }

    public void Add(ReadOnlySpan<byte> part)
    {
        if (IsTooLong || _answer.WrittenCount + part.Length > AnswerBytesMax)
        {
            IsTooLong = true;
            _answer.ResetWrittenCount();
            return;
        }

        _answer.Write(part);
    }
}
