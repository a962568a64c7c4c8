using System.IO.Pipelines;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Gateway;

/// <summary>Reading a body from a pipe that, like the web server's, holds what the caller sent and gives it out in its own portions.</summary>
public sealed class BodyReadingTests
{
    private const int Size = (1 << 20) + 200_000;

    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_lies_behind_the_kept_part_is_given_without_waiting_for_more()
    {
        await _pipe.Writer.WriteAsync(new byte[Size], Cancellation);
        await using var body = await RequestBody.ReadAsync(Context(), long.MaxValue, _time);
        await using var stream = body.Open(Deadline());
        var buffer = new byte[65_536];

        for (var left = Size; left > 0;)
        {
            var read = stream.ReadAsync(buffer, Cancellation);
            Assert.True(read.IsCompleted, $"Reading waits with {left} bytes left that are there.");
            left -= await read;
        }

        await _pipe.Writer.CompleteAsync();
        Assert.Equal(0, await stream.ReadAsync(buffer, Cancellation));
    }

    [Fact]
    public async Task A_read_of_no_bytes_ends_when_there_are_some_and_takes_none()
    {
        await _pipe.Writer.WriteAsync(new byte[Size], Cancellation);
        await using var body = await RequestBody.ReadAsync(Context(), long.MaxValue, _time);
        await using var stream = body.Open(Deadline());
        await stream.ReadExactlyAsync(new byte[RequestBody.KeptBytesMax], Cancellation);

        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty, Cancellation));

        await stream.ReadExactlyAsync(new byte[Size - RequestBody.KeptBytesMax], Cancellation);
        var waiting = stream.ReadAsync(Memory<byte>.Empty, Cancellation).AsTask();
        Assert.False(waiting.IsCompleted);
        await _pipe.Writer.WriteAsync(new byte[1], Cancellation);
        Assert.Equal(0, await waiting);
        Assert.Equal(1, await stream.ReadAsync(new byte[2], Cancellation));
    }

    [Fact]
    public async Task A_caller_who_stalls_is_too_slow_however_fast_it_was_before()
    {
        await _pipe.Writer.WriteAsync(new byte[Size], Cancellation);
        await using var body = await RequestBody.ReadAsync(Context(), long.MaxValue, _time);
        await using var stream = body.Open(Deadline());
        await stream.ReadExactlyAsync(new byte[Size], Cancellation);

        var read = stream.ReadAsync(new byte[1], Cancellation).AsTask();
        _time.Advance(TimeSpan.FromSeconds(5));

        var refusal = await Assert.ThrowsAnyAsync<BadHttpRequestException>(() => read);
        Assert.Equal(StatusCodes.Status408RequestTimeout, refusal.StatusCode);
    }

    [Fact]
    public async Task The_runs_time_stands_still_while_its_caller_is_waited_for()
    {
        await _pipe.Writer.WriteAsync(new byte[Size], Cancellation);
        await using var body = await RequestBody.ReadAsync(Context(), long.MaxValue, _time);
        using var deadline = new RunDeadline(TimeSpan.FromSeconds(2), _time);
        await using var stream = body.Open(deadline);
        await stream.ReadExactlyAsync(new byte[Size], Cancellation);

        _time.Advance(TimeSpan.FromSeconds(1));
        var read = stream.ReadAsync(new byte[1], Cancellation);
        _time.Advance(TimeSpan.FromSeconds(4));
        await _pipe.Writer.WriteAsync(new byte[1], Cancellation);
        Assert.Equal(1, await read);
        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.False(deadline.HasPassed);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(deadline.HasPassed);
    }

    [Theory]
    [InlineData(2, 300)]
    [InlineData(600, 600)]
    public async Task A_caller_with_a_slot_is_waited_for_five_minutes_or_the_runs_time_in_all(int timeoutSeconds, int waitSeconds)
    {
        await _pipe.Writer.WriteAsync(new byte[Size], Cancellation);
        await using var body = await RequestBody.ReadAsync(Context(), long.MaxValue, _time);
        using var deadline = new RunDeadline(TimeSpan.FromSeconds(timeoutSeconds), _time);
        await using var stream = body.Open(deadline);
        await stream.ReadExactlyAsync(new byte[Size], Cancellation);

        // Fast enough for the pace, for as long as it likes.
        for (var second = 0; second < waitSeconds - 1; second++)
        {
            var part = stream.ReadAsync(new byte[1300], Cancellation);
            _time.Advance(TimeSpan.FromSeconds(1));
            await _pipe.Writer.WriteAsync(new byte[1300], Cancellation);
            Assert.Equal(1300, await part);
        }

        var last = stream.ReadAsync(new byte[1300], Cancellation).AsTask();
        _time.Advance(TimeSpan.FromSeconds(1));

        var refusal = await Assert.ThrowsAnyAsync<BadHttpRequestException>(() => last);
        Assert.Equal(StatusCodes.Status408RequestTimeout, refusal.StatusCode);
        Assert.Contains($"{waitSeconds} s", BadRequests.Describe(refusal).Detail, StringComparison.Ordinal);
        Assert.False(deadline.HasPassed);
    }

    [Fact]
    public void Once_the_run_has_ended_only_the_transfer_limit_counts()
    {
        using var deadline = new RunDeadline(TimeSpan.FromSeconds(2), _time);

        deadline.Pause();
        deadline.BeginTransfer(100 << 20);
        deadline.Resume();
        Assert.Equal(TimeSpan.FromSeconds(600 + 1600), RunDeadline.TransferLimit(100 << 20));
        _time.Advance(RunDeadline.TransferLimit(100 << 20) - TimeSpan.FromMilliseconds(1));

        Assert.False(deadline.HasPassed);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(deadline.HasPassed);
    }

    [Fact]
    public void A_caller_may_take_half_a_minute_for_each_part_of_an_answer()
    {
        using var deadline = new RunDeadline(TimeSpan.FromSeconds(2), _time);
        deadline.BeginTransfer(0);

        deadline.PartGiven();
        _time.Advance(TimeSpan.FromSeconds(29));
        deadline.PartTaken();
        _time.Advance(TimeSpan.FromSeconds(60));
        deadline.PartGiven();
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.False(deadline.HasPassed);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True(deadline.HasPassed);
    }

    [Fact]
    public async Task A_byte_a_second_is_too_slow_and_300_are_not()
    {
        using var pace = new BodyPace(_time);
        for (var second = 0; second < 20; second++)
        {
            await NextSecondAsync(pace, 300);
        }

        await Assert.ThrowsAnyAsync<BadHttpRequestException>(async () =>
        {
            for (var second = 0; second < 6; second++)
            {
                await NextSecondAsync(pace, 1);
            }
        });
    }

    [Fact]
    public async Task A_caller_who_leaves_is_not_called_slow()
    {
        using var pace = new BodyPace(_time);
        using var left = new CancellationTokenSource();
        var read = pace.ReadAsync(_pipe.Reader, left.Token).AsTask();

        await left.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
    }

    private async Task NextSecondAsync(BodyPace pace, int bytes)
    {
        var reading = pace.ReadAsync(_pipe.Reader, Cancellation).AsTask();
        // A hair less than a second: 1,200 bytes in exactly 5 s are already too slow.
        _time.Advance(TimeSpan.FromMilliseconds(999));
        if (!reading.IsFaulted)
        {
            await _pipe.Writer.WriteAsync(new byte[bytes], Cancellation);
        }

        var read = await reading;
        pace.Took(read.Buffer.Length);
        _pipe.Reader.AdvanceTo(read.Buffer.End);
    }

    private RunDeadline Deadline() => new(TimeSpan.FromMinutes(1), _time);

    private DefaultHttpContext Context()
    {
        var context = new DefaultHttpContext();
        context.Features.Set<IRequestBodyPipeFeature>(new Body(_pipe.Reader));
        context.Request.ContentLength = Size + 1;
        return context;
    }

    private sealed record Body(PipeReader Reader) : IRequestBodyPipeFeature;
}
