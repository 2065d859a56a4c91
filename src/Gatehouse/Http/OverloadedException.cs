namespace Gatehouse.Http;

/// <summary>There is more to do than can be done soon: the answer is 503 with <c>Retry-After</c>.</summary>
public sealed class OverloadedException : Exception
{
    /// <summary>Says when it may go better.</summary>
    public OverloadedException(TimeSpan retryAfter) : base("Too much work is waiting.") => RetryAfter = retryAfter;

    /// <summary>How long the caller should wait before it tries again.</summary>
    public TimeSpan RetryAfter { get; }
}
