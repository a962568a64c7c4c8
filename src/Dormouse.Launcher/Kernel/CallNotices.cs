using System.Runtime.InteropServices;

namespace Dormouse.Launcher.Kernel;

/// <summary>The listener of a filter of system calls (<c>seccomp_unotify</c>): a process that makes a listed call stands still until it is answered.</summary>
internal static unsafe class CallNotices
{
    // _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, struct seccomp_notif_resp).
    private const uint Receive = 0xC0502100, Send = 0xC0182101;
    private const int NoticeBytes = 80, ProcessOffset = 8;
    private const uint Continue = 1;
    private const int NotPermitted = 1;

    /// <summary>Takes the next notice. To be asked when the listener is readable, by whoever alone has it: it would wait otherwise.</summary>
    /// <param name="process">Thread that makes the call, as this process sees it.</param>
    /// <returns>0; <see cref="Libc.NoEntry"/> when who asked is gone; else why the listener is of no use.</returns>
    public static int Take(int listener, out ulong notice, out int process)
    {
        var raw = stackalloc byte[NoticeBytes];
        new Span<byte>(raw, NoticeBytes).Clear();
        (notice, process) = (0, 0);
        if (Libc.DeviceControl(listener, Receive, raw) != 0)
            return Marshal.GetLastPInvokeError();
        (notice, process) = (*(ulong*)raw, *(int*)(raw + ProcessOffset));
        return 0;
    }

    /// <summary>Lets the call be made, or has it fail with "operation not permitted".</summary>
    public static void Answer(int listener, ulong notice, bool allow)
    {
        // id; value; error and flags.
        var raw = stackalloc ulong[3] { notice, 0, allow ? (ulong)Continue << 32 : unchecked((uint)-NotPermitted) };
        _ = Libc.DeviceControl(listener, Send, (byte*)raw);
    }
}
