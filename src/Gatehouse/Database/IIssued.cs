namespace Gatehouse.Database;

/// <summary>What a feature has given out and can end again. Listed in <see cref="GatehouseServices"/>; <c>gatehouse notbefore</c> asks all.</summary>
internal interface IIssued
{
    /// <summary>Ends what was given out before that moment, inside a write.</summary>
    /// <param name="tx">The write: all features' in one.</param>
    /// <param name="before">What was given out at that very moment stays.</param>
    /// <param name="now">What the time is.</param>
    /// <returns>What was ended, in words, and how many.</returns>
    Task<IReadOnlyList<(string What, int Count)>> EndBeforeAsync(Tx tx, DateTimeOffset before, DateTimeOffset now);
}
